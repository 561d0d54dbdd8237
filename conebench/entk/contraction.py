"""Kernels of layers by three exact orders of contraction.

With per-sample gradients J[c, i] = sum_s b[c, i, s] (x) a[i, s] of a layer, c one of r directions,

    explicit   J is formed, slab by slab of the outputs, then J J^T;
    inputs     T[i, s'] = sum_s <a[i, s], a[j, s']> b[c, i, s], then sum_s' <T[i, s'], b[d, j, s']>;
    positions  sum_{s, s'} <a[i, s], a[j, s']> <b[c, i, s], b[d, j, s']>, both products first.

Explicit is cheap for few weights and many positions, positions for few positions, inputs between.
A kernel K is [r, n, r, m] for outputs `full`, rows (direction, sample), and [n, m] otherwise; of a
symmetric one (`right` is None) the lower triangle of the matrix is filled.

Axes in comments: n, m samples; r directions; s positions; p inputs and q outputs of the layer;
e = q p entries of its weight. Ranges of an axis: i of n, j of m.
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
# Entries of all rows that stay in a cache from block to block: up to 8 % faster than all at once.
ENTRIES_AT_ONCE = 2**12
# Numbers of an intermediate that stay in a processor's cache.
CACHED_NUMBERS = 2**20


@dataclass(frozen=True)
class Factors:
    """Both factors of one layer's gradients, for any range of the samples.

    `inputs(start, stop, channels)` returns a [n, s, p] or, for a slice of the `channels` input
    channels, the p / channels columns of each. `gradients[c]` is b [n, q, s] of direction c.
    """

    inputs: Callable[[int, int, slice], Tensor]
    channels: int
    gradients: list[Tensor]
    samples: int

    def all_inputs(self, start: int, stop: int) -> Float[Tensor, "n s p"]:
        """Return the inputs a of a range of the samples."""
        return self.inputs(start, stop, slice(None))


def add_gradients(
    K: Tensor,
    left: Float[Tensor, "r n e"],
    right: Float[Tensor, "r m e"] | None,
    outputs: Outputs,
) -> None:
    """Add J J'^T for gradients that are formed; `right` None means J' = J."""
    if outputs != "trace":
        # All directions against all: [r n, e] times [e, r m].
        rows = left.flatten(0, 1)
        columns = rows if right is None else right.flatten(0, 1)
        _add_product(K.view(len(rows), -1), rows, columns, symmetric=right is None)
        return
    # Each direction against itself: r times [n, e] times [e, m].
    for index, rows in enumerate(left):
        columns = rows if right is None else right[index]
        _add_product(K, rows, columns, symmetric=right is None)


def _add_product(K: Tensor, rows: Tensor, columns: Tensor, *, symmetric: bool) -> None:
    """Add rows columns^T, block by block."""
    # A matrix product with K as its summand adds every few hundred entries to K, and so rounds what
    # a small layer gives to the digits of the sum: K of a ViT was off by 1.7e-5 in float32.
    entries = rows.shape[1]
    for left, right in _ranges(entries, entries if K.is_cuda else ENTRIES_AT_ONCE):
        for start, stop in _ranges(len(rows), ROWS_AT_ONCE):
            # Of a symmetric kernel nothing above the diagonal block.
            end = stop if symmetric else len(columns)
            K[start:stop, :end] += rows[start:stop, left:right] @ columns[:end, left:right].T


def add_explicit(
    K: Tensor, left: Factors, right: Factors | None, outputs: Outputs, scratch: Float[Tensor, " k"]
) -> None:
    """Add a layer's kernel, its gradients formed slab by slab in `scratch`."""
    # The buffer is used again for each slab: fresh memory costs as much as the product itself (1.9
    # times the time of a ViT's layers on a CPU).
    r, n = len(left.gradients), left.samples + (right.samples if right else 0)
    q, p = left.gradients[0].shape[1], left.all_inputs(0, 1).shape[2]
    # Numbers of one gradient in a slab, and of one channel's part of it.
    room, of_channel = len(scratch) // (r * n), q * p // left.channels
    # Slabs of channels copy each patch of a convolution once, slabs of outputs all for each slab.
    wide = p >= q and of_channel <= room
    longer, each = (left.channels, of_channel) if wide else (q, p)
    # Slabs of almost one size.
    count = -(-longer // max(1, room // each))
    for start, stop in _ranges(longer, -(-longer // count)):
        part = slice(start, stop)
        rows, channels = (slice(0, q), part) if wide else (part, slice(None))
        # [r, n + m, q or part of it, p or part of it]
        J = scratch[: r * n * (stop - start) * each].view(r, n, rows.stop - rows.start, -1)
        _form_gradients(J[:, : left.samples], left, rows, channels, len(scratch))
        if right is not None:
            _form_gradients(J[:, left.samples :], right, rows, channels, len(scratch))
        J = J.flatten(2)  # [r, n + m, e of the slab]
        others = None if right is None else J[:, left.samples :]
        add_gradients(K, J[:, : left.samples], others, outputs)


def _form_gradients(
    J: Float[Tensor, "r n q p"], side: Factors, rows: slice, channels: slice, room: int
) -> None:
    """Write all samples' gradients of some outputs and channels."""
    # Patches of at most `room` numbers, or of one sample, are copied out of the inputs at one time.
    of_sample = side.gradients[0].shape[2] * J.shape[3]
    for start, stop in _ranges(side.samples, max(1, room // of_sample)):
        a = side.inputs(start, stop, channels)  # [n, s, p]
        for index, b in enumerate(side.gradients):
            # [n, q, s] times [n, s, p]
            torch.bmm(b[start:stop, rows], a, out=J[index, start:stop])


def add_inputs_first(
    K: Tensor, left: Factors, right: Factors | None, outputs: Outputs, room: int
) -> None:
    """Add a layer's kernel, inner products of inputs first.

    Inputs of both sides take at most `room` numbers, inner products and what is carried half of it
    each, or what one sample takes.
    """
    # [n, r q, s] and [m, r q, s]
    mine = _by_direction(left)
    other, others = right or left, mine if right is None else _by_direction(right)
    s, p = left.all_inputs(0, 1).shape[1:]
    # On a GPU few large blocks, since each takes launches. A power of two: even shares for threads.
    block = room // 2 if K.is_cuda else min(CACHED_NUMBERS, room // 2)
    most = min(block // mine[0].numel(), math.isqrt(room // 2) // s)
    few = 2 ** int(math.log2(max(1, most)))
    carried = mine.new_empty(few, *mine.shape[1:])  # T [few, r q, s]
    width = max(1, room // (2 * s * max(p, few * s)))
    for i0, i1 in _ranges(left.samples, width):
        a = left.all_inputs(i0, i1)  # [i, s, p]
        for j0, j1 in _ranges(i1 if right is None else right.samples, width):
            # [j, s, p]
            others_a = a if right is None and j0 == i0 else other.all_inputs(j0, j1)
            for start, stop in _ranges(i1 - i0, few):
                # Of a symmetric kernel, samples j up to i.
                end = min(j1, i0 + stop) if right is None else j1
                # [few s, p] and [j s, p]
                rows, columns = a[start:stop].flatten(0, 1), others_a[: end - j0].flatten(0, 1)
                inner = (rows @ columns.T).view(-1, s, end - j0, s)  # [few, s, j, s]
                for j in range(j0, end):
                    # Of a symmetric kernel, samples i from j on.
                    first = max(start, j - i0) if right is None else start
                    part = carried[: stop - first]
                    # [few, r q, s] times [few, s, s], of sample j
                    b, products = mine[i0 + first : i0 + stop], inner[first - start :, :, j - j0]
                    torch.bmm(b, products, out=part)
                    place = (i0 + first, j)
                    _add_block(K, part, others[j], place, outputs, symmetric=right is None)


def _by_direction(side: Factors) -> Float[Tensor, "n rq s"]:
    """Return each sample's gradients as one matrix."""
    # r of [n, q, s] -> [n, r, q, s] -> [n, r q, s]
    return torch.stack(side.gradients, dim=1).flatten(1, 2)


def _add_block(
    K: Tensor,
    carried: Float[Tensor, "i rq s"],
    b: Float[Tensor, "rq s"],
    place: tuple[int, int],
    outputs: Outputs,
    *,
    symmetric: bool,
) -> None:
    """Add the products of sample j's gradients with those carried."""
    start, j = place
    stop = start + len(carried)
    if outputs == "trace":
        # [i, r q s] times [r q s]
        K[start:stop, j] += carried.flatten(1) @ b.flatten()
        return
    r = len(K)
    # [i r, q s] times [q s, r]
    block = (carried.view(len(carried) * r, -1) @ b.view(r, -1).T).view(-1, r, r)  # [i, c, d]
    K[:, start:stop, :, j] += block.transpose(0, 1)
    if symmetric:
        # Pairs j < i are met once; the matrix's lower triangle wants some of them transposed.
        after = max(start, j + 1)
        K[:, j, :, after:stop] += block[after - start :].permute(2, 1, 0)


def add_positions_first(
    K: Tensor, left: Factors, right: Factors | None, outputs: Outputs, room: int
) -> None:
    """Add a layer's kernel, both inner products first.

    Blocks of products take at most `room` numbers, or what one sample takes.
    """
    other = right or left
    r, s = len(left.gradients), left.gradients[0].shape[2]
    # Of a trace the directions are summed inside the inner products.
    across = 1 if outputs == "trace" else r
    # Three blocks exist at one time: both inner products, and theirs.
    height = max(1, math.isqrt(room // 3) // (across * s))
    for i0, i1 in _ranges(left.samples, height):
        last = i1 if right is None else other.samples
        for j0, j1 in _ranges(last, height):
            # [i s, p] times [p, j s]
            a = left.all_inputs(i0, i1).flatten(0, 1) @ other.all_inputs(j0, j1).flatten(0, 1).T
            # [r i s, q] and [r j s, q], or [i s, r q] and [j s, r q]
            rows = _by_position(left.gradients, i0, i1, outputs)
            columns = _by_position(other.gradients, j0, j1, outputs)
            # [r, i, s, r, j, s], r = 1 for a trace
            products = (rows @ columns.T).view(across, i1 - i0, s, across, j1 - j0, s)
            block = products * a.view(i1 - i0, s, 1, j1 - j0, s)
            # [r, i, r, j]
            block = block.sum((2, 5)) if s > 1 else block[:, :, 0, :, :, 0]
            target = K[None, :, None] if outputs == "trace" else K
            target[:, i0:i1, :, j0:j1] += block
            if right is None and j1 <= i0:
                # Blocks j before i are met once; the lower triangle wants some of them transposed.
                target[:, j0:j1, :, i0:i1] += block.permute(2, 3, 0, 1)


def _by_position(gradients: list[Tensor], start: int, stop: int, outputs: Outputs) -> Tensor:
    """Return gradients as rows (direction, sample, position)."""
    # Of a trace the directions are summed: rows (sample, position) of r q numbers.
    b = torch.stack([g[start:stop] for g in gradients])  # [r, n, q, s]
    if outputs == "trace":
        # [n s, r q]
        return b.permute(1, 3, 0, 2).flatten(2).flatten(0, 1)
    # [r n s, q]
    return b.permute(0, 1, 3, 2).flatten(0, 2)


def _ranges(count: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of at most `step`."""
    for start in range(0, count, step):
        yield start, min(count, start + step)
