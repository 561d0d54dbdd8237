"""Kernels of layers in normal form, by the cheaper of two exact orders of contraction.

With gradients J[i, c] = sum_s b[i, c, s] (x) a[i, s] of one layer,

    explicit  J is formed, then J J^T;
    pairwise  <J[i, c], J[j, d]> = sum_{s, s'} <a[i, s], a[j, s']> <b[i, c, s], b[j, d, s']>, the
              inner products of inputs first.

Explicit is cheap for few weights and many positions, pairwise for many weights and few positions.
"""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from conebench.entk.layer_rules import NormalForm
from conebench.entk.layers import Covered

Outputs = Literal["full", "trace", "sum"]
Order = Literal["explicit", "pairwise"]

# Small blocks waste least above the diagonal; 128 was the fastest of 64, 128, 160, 320, 512.
ROWS_AT_ONCE = 128


def contraction_work(layer: Covered, n: int, r: int, outputs: Outputs) -> dict[Order, float]:
    """Multiply-adds of both orders for a symmetric kernel of n samples in r directions."""
    pairs, across = n * n / 2, r if outputs == "full" else 1
    form = n * r * layer.positions * layer.entries
    explicit = form + pairs * r * across * layer.entries
    if layer.groups > 1:
        return {"explicit": explicit, "pairwise": float("inf")}
    s, p, q = layer.positions, layer.inputs, layer.outputs
    return {"explicit": explicit, "pairwise": pairs * s * (s * p + s * r * q + r * across * q)}


def explicit_gradients(form: NormalForm, start: int, stop: int) -> Float[Tensor, "n r piece"]:
    """J for the outputs start..stop of each group."""
    b = form.gradients[..., start:stop]
    n, r, groups, s, q = b.shape
    # [n, g, (r q), s] @ [n, g, s, p]
    product = b.permute(0, 2, 1, 4, 3).reshape(n, groups, r * q, s) @ form.inputs
    return product.reshape(n, groups, r, -1).transpose(1, 2).flatten(2)


def add_products(
    kernel: Float[Tensor, "rows columns"],
    left: Float[Tensor, "n r piece"],
    right: Float[Tensor, "m r piece"] | None,
    outputs: Outputs,
) -> None:
    """Add J J'^T to the kernel as a matrix; of a symmetric one (`right` None) the lower blocks."""
    rows = left.flatten(0, 1) if outputs == "full" else left.flatten(1)
    if right is not None:
        columns = right.flatten(0, 1) if outputs == "full" else right.flatten(1)
        kernel.addmm_(rows, columns.T)
        return
    for start in range(0, len(rows), ROWS_AT_ONCE):
        stop = min(len(rows), start + ROWS_AT_ONCE)
        kernel[start:stop, :stop].addmm_(rows[start:stop], rows[:stop].T)


def add_pairwise(
    kernel: Float[Tensor, "rows columns"],
    left: NormalForm,
    right: NormalForm | None,
    outputs: Outputs,
) -> None:
    """Add a layer's kernel, inner products of inputs first; of a symmetric one the lower part."""
    a1, b1 = left.inputs[:, 0], left.gradients[:, :, 0]
    a2, b2 = (a1, b1) if right is None else (right.inputs[:, 0], right.gradients[:, :, 0])
    r = b1.shape[1]
    for i in range(len(a1)):
        last = i + 1 if right is None else len(a2)
        # <a[i, s], a[j, s']> as [j, s, s'], then over s' with b[j, d, s'] as [j, d, s, q].
        inner = (a1[i] @ a2[:last].flatten(0, 1).T).reshape(a1.shape[1], last, -1).transpose(0, 1)
        carried = inner[:, None] @ b2[:last]
        if outputs == "full":
            block = b1[i].flatten(1) @ carried.flatten(2).flatten(0, 1).T
            kernel[i * r : (i + 1) * r, : last * r] += block
        else:
            kernel[i, :last] += carried.flatten(1) @ b1[i].flatten()
