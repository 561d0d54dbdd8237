"""Kernels of layers in normal form, by the cheapest of three exact orders of contraction.

With per-sample gradients J[c, i] = sum_s b[c, i, s] (x) a[i, s] of a layer, c one of r directions,

    explicit   J is formed, slab by slab of the outputs, then J J^T;
    inputs     T[j, s] = sum_{s'} <a[i, s], a[j, s']> b[d, j, s'], then sum_s <b[c, i, s], T[j, s]>;
    positions  sum_{s, s'} <a[i, s], a[j, s']> <b[c, i, s], b[d, j, s']>, both products first.

Explicit is cheap for few weights and many positions, positions for few positions, inputs between.
A kernel K is [r, n, r, m] for outputs `full`, rows (direction, sample), and [n, m] otherwise; of a
symmetric one the lower triangle of the matrix is filled.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Outputs = Literal["full", "trace", "sum"]
Order = Literal["explicit", "inputs", "positions"]

# Small blocks waste least above the diagonal, large ones make faster products: within 5 % of the
# fastest of 20 to 160 for 160, 320, 640 and 1000 rows.
ROWS_AT_ONCE = 80
# Numbers of an intermediate that stay in a processor's cache.
CACHED_NUMBERS = 2**21


@dataclass(frozen=True)
class Factors:
    """Both factors of one layer's gradients, for any range of the samples.

    `inputs(start, stop)` gives a [n, s, p]; `gradients[c]` is b [n, q, s] of direction c.
    """

    inputs: Callable[[int, int], Tensor]
    gradients: list[Tensor]
    samples: int


def add_gradients(
    K: Tensor,
    left: Float[Tensor, "r n e"],
    right: Float[Tensor, "r m e"] | None,
    outputs: Outputs,
) -> None:
    """Add J J'^T for gradients that are formed; `right` None means J' = J."""
    if outputs != "trace":
        rows = left.flatten(0, 1)
        columns = rows if right is None else right.flatten(0, 1)
        _add_product(K.view(len(rows), -1), rows, columns, symmetric=right is None)
        return
    for index, rows in enumerate(left):
        columns = rows if right is None else right[index]
        _add_product(K, rows, columns, symmetric=right is None)


def _add_product(K: Tensor, rows: Tensor, columns: Tensor, *, symmetric: bool) -> None:
    if not symmetric:
        K.addmm_(rows, columns.T)
        return
    for start in range(0, len(rows), ROWS_AT_ONCE):
        stop = min(len(rows), start + ROWS_AT_ONCE)
        K[start:stop, :stop].addmm_(rows[start:stop], columns[:stop].T)


def add_explicit(
    K: Tensor, left: Factors, right: Factors | None, outputs: Outputs, scratch: Float[Tensor, " k"]
) -> None:
    """Add a layer's kernel with its gradients formed for a slab of outputs at a time.

    `scratch` holds the slab. It is used again for each: fresh memory costs as much as the product
    itself (1.9 times the time of a ViT's layers on a CPU).
    """
    r, n = len(left.gradients), left.samples + (right.samples if right else 0)
    q, p = left.gradients[0].shape[1], left.inputs(0, 1).shape[2]
    wide = p >= q
    longer, shorter = (p, q) if wide else (q, p)
    count = -(-longer // max(1, len(scratch) // (r * n * shorter)))
    for start, stop in _ranges(longer, -(-longer // count)):
        columns, rows = (
            (slice(start, stop), slice(0, q)) if wide else (slice(0, p), slice(start, stop))
        )
        size = r * n * (stop - start) * shorter
        J = scratch[:size].view(r, n, rows.stop - rows.start, -1)
        _form(J[:, : left.samples], left, rows, columns, len(scratch))
        if right is not None:
            _form(J[:, left.samples :], right, rows, columns, len(scratch))
        J = J.flatten(2)
        others = None if right is None else J[:, left.samples :]
        add_gradients(K, J[:, : left.samples], others, outputs)


def _form(
    J: Float[Tensor, "r n q p"], side: Factors, rows: slice, columns: slice, room: int
) -> None:
    """Write the gradients of some outputs (rows) and inputs (columns), of all samples.

    Patches of at most `room` numbers, or of one sample, are copied out of the inputs at one time.
    """
    for start, stop in _ranges(side.samples, max(1, room // side.inputs(0, 1).numel())):
        a = side.inputs(start, stop)[:, :, columns]
        for index, b in enumerate(side.gradients):
            torch.bmm(b[start:stop, rows], a, out=J[index, start:stop])


def add_inputs_first(
    K: Tensor, left: Factors, right: Factors | None, outputs: Outputs, room: int
) -> None:
    """Add a layer's kernel, inner products of inputs carried to the gradients of one side.

    Blocks of inner products take at most `room` numbers, or what one sample takes.
    """
    mine = _by_sample(left)
    others = mine if right is None else _by_sample(right)
    s = left.gradients[0].shape[2]
    width = max(1, min(CACHED_NUMBERS // mine[0].numel(), math.isqrt(room) // s))
    for i0, i1 in _ranges(left.samples, width):
        a = left.inputs(i0, i1).flatten(0, 1)
        for j0, j1 in _ranges(i1 if right is None else right.samples, width):
            others_a = (right or left).inputs(j0, j1).flatten(0, 1)
            inner = (a @ others_a.T).view(i1 - i0, s, j1 - j0, s).transpose(1, 2)
            for i in range(max(i0, j0) if right is None else i0, i1):
                stop = min(j1, i + 1) if right is None else j1
                carried = torch.bmm(inner[i - i0, : stop - j0], others[j0:stop])
                _add_block(K, mine[i], carried, (i, j0), outputs, symmetric=right is None)


def _by_sample(side: Factors) -> Float[Tensor, "n s qr"]:
    """Gradients of each sample in one matrix, position by position, directions last."""
    stacked = torch.stack(side.gradients, dim=-1)  # [n, q, s, r]
    return stacked.transpose(1, 2).contiguous().flatten(2)


def _add_block(
    K: Tensor,
    b: Float[Tensor, "s qr"],
    carried: Float[Tensor, "j s qr"],
    place: tuple[int, int],
    outputs: Outputs,
    *,
    symmetric: bool,
) -> None:
    """Add the products of sample i's gradients with what was carried to samples from `start` on."""
    i, start = place
    stop = start + len(carried)
    if outputs == "trace":
        K[i, start:stop] += carried.flatten(1) @ b.flatten()
        return
    r = len(K)
    columns = b.view(-1, r).expand(len(carried), -1, -1)
    block = torch.bmm(carried.view(len(carried), -1, r).transpose(1, 2), columns)  # [j, d, c]
    K[:, i, :, start:stop] += block.permute(2, 1, 0)
    if symmetric:
        # Pairs j < i are met once; the matrix's lower triangle wants some of them transposed.
        below = min(stop, i)
        K[:, start:below, :, i] += block[: below - start].permute(1, 0, 2)


def add_positions_first(
    K: Tensor, left: Factors, right: Factors | None, outputs: Outputs, room: int
) -> None:
    """Add a layer's kernel as a sum over pairs of positions of two inner products.

    Blocks of products take at most `room` numbers, or what one sample takes.
    """
    other = right or left
    r, s = len(left.gradients), left.gradients[0].shape[2]
    across = 1 if outputs == "trace" else r
    # Three blocks exist at one time: both inner products, and theirs.
    height = max(1, math.isqrt(room // 3) // (across * s))
    for i0, i1 in _ranges(left.samples, height):
        last = i1 if right is None else other.samples
        for j0, j1 in _ranges(last, height):
            a = left.inputs(i0, i1).flatten(0, 1) @ other.inputs(j0, j1).flatten(0, 1).T
            rows = _by_position(left.gradients, i0, i1, outputs)
            columns = _by_position(other.gradients, j0, j1, outputs)
            products = (rows @ columns.T).view(across, i1 - i0, s, across, j1 - j0, s)
            block = products * a.view(i1 - i0, s, 1, j1 - j0, s)
            block = block.sum((2, 5)) if s > 1 else block[:, :, 0, :, :, 0]
            target = K[None, :, None] if outputs == "trace" else K
            target[:, i0:i1, :, j0:j1] += block
            if right is None and j1 <= i0:
                target[:, j0:j1, :, i0:i1] += block.permute(2, 3, 0, 1)


def _by_position(gradients: list[Tensor], start: int, stop: int, outputs: Outputs) -> Tensor:
    """Rows (direction, sample, position) of q numbers; for `trace` (sample, position) of r q."""
    b = torch.stack([g[start:stop] for g in gradients])  # [r, n, q, s]
    if outputs == "trace":
        return b.permute(1, 3, 0, 2).flatten(2).flatten(0, 1)
    return b.permute(0, 1, 3, 2).flatten(0, 2)


def _ranges(count: int, step: int) -> Iterator[tuple[int, int]]:
    for start in range(0, count, step):
        yield start, min(count, start + step)
