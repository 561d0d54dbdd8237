"""One pass of a plan: gradients of its pieces, chunk by chunk, then their kernels."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from conebench.entk.contraction import (
    Factors,
    Outputs,
    add_explicit,
    add_gradients,
    add_inputs_first,
    add_positions_first,
)
from conebench.entk.jacobians import can_be_mapped, jacobian_rows
from conebench.entk.layer_io import capture
from conebench.entk.layer_rules import (
    channel_axis,
    channels_of,
    layer_gradient,
    layer_inputs,
    weight_gradient,
)
from conebench.entk.plan import KernelError, Pass, Piece
from conebench.entk.routes import Term, expand

log = logging.getLogger(__name__)

# A lone sample is given twice, see `Samples.chunks`.
SMALLEST_CHUNK = 2


@dataclass(frozen=True)
class Samples:
    """All inputs of a kernel: x1, then x2 unless the kernel is symmetric."""

    rows: Tensor
    split: int
    symmetric: bool
    basis: Float[Tensor, "r c"]
    outputs: Outputs

    @classmethod
    def of(cls, x1: Tensor, x2: Tensor | None, classes: int, outputs: Outputs) -> "Samples":
        """Both inputs in one, and the r directions in logit space for `outputs`."""
        if outputs == "sum":
            basis = x1.new_full((1, classes), classes**-0.5)
        else:
            basis = torch.eye(classes, dtype=x1.dtype, device=x1.device)
        rows = x1 if x2 is None else torch.cat([x1, x2])
        return cls(rows, len(x1), x2 is None, basis, outputs)

    @property
    def columns(self) -> int:
        """m, the number of second inputs."""
        return self.split if self.symmetric else len(self.rows) - self.split

    @property
    def kernel_side(self) -> int:
        """Rows of the kernel as a matrix."""
        return self.split * (len(self.basis) if self.outputs == "full" else 1)

    @property
    def kernel_numbers(self) -> int:
        """Entries of the kernel."""
        return self.kernel_side * self.kernel_side // self.split * self.columns

    def empty_kernel(self) -> Tensor:
        """Zeros, [r, n, r, m] for `full` and `sum`, [n, m] for `trace`."""
        if self.outputs == "trace":
            return self.rows.new_zeros(self.split, self.columns)
        r = len(self.basis)
        return self.rows.new_zeros(r, self.split, r, self.columns)

    def chunks(self, size: int) -> Iterator[tuple[slice, Tensor]]:
        """Rows of the inputs, at most `size` at a time, never one sample alone.

        A lone sample is given twice: the backward pass of BatchNorm in evaluation mode was seen
        wrong for one sample whose gradient comes in channels-last order (XCiT, torch 2.14, CPU).
        """
        for start in range(0, len(self.rows), size):
            part = self.rows[start : start + size]
            rows = slice(start, start + len(part))
            yield rows, torch.cat([part, part]) if len(part) == 1 else part


def add_pass(
    frozen: nn.Module,
    parameters: Mapping[str, Tensor],
    planned: Pass,
    samples: Samples,
    kernel_of: Callable[[Term], Tensor],
    slab_numbers: int,
) -> int:
    """Add the kernels of a pass; returns how many parameter entries that were.

    Out of memory on a GPU, it goes on with half as many samples at a time, and logs it.
    """
    kept = _taken(frozen, parameters, planned, samples, planned.chunk)
    scratch = samples.rows.new_empty(slab_numbers)
    for index, piece in enumerate(planned.pieces):
        _contract(kernel_of(piece.term), kept, index, frozen, samples, scratch)
    return sum(piece.entries for piece in planned.pieces)


@dataclass
class _Kept:
    """What is kept of a pass: gradients [r, n, e] of pieces, inputs and gradients of layers."""

    pieces: tuple[Piece, ...]
    gradients: dict[int, Tensor]
    held: frozenset[str]
    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[tuple[str, int], Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, planned: Pass, samples: Samples) -> "_Kept":
        r, n = len(samples.basis), len(samples.rows)
        gradients = {
            index: samples.rows.new_zeros(r, n, piece.entries)
            for index, piece in enumerate(planned.pieces)
            if piece.keeps == "gradients"
        }
        held = frozenset(p.term.module for p in planned.pieces if p.keeps == "factors")
        return cls(planned.pieces, gradients, held)


def _taken(
    frozen: nn.Module,
    parameters: Mapping[str, Tensor],
    planned: Pass,
    samples: Samples,
    chunk: int,
) -> _Kept:
    """All that a pass keeps, with smaller chunks where memory runs out."""
    try:
        return _taken_at_once(frozen, parameters, planned, samples, chunk)
    except torch.OutOfMemoryError:
        if chunk <= SMALLEST_CHUNK:
            raise
    # Outside the handler, so that what the failed try held is free again.
    half = max(SMALLEST_CHUNK, chunk // 2)
    log.warning("out of memory: going on with %d samples at a time", half)
    return _taken(frozen, parameters, planned, samples, half)


def _taken_at_once(
    frozen: nn.Module,
    parameters: Mapping[str, Tensor],
    planned: Pass,
    samples: Samples,
    chunk: int,
) -> _Kept:
    kept = _Kept.of(planned, samples)
    take = _take_generic if planned.generic else _take_layers
    take(frozen, parameters, kept, samples, chunk)
    return kept


def _take_layers(
    frozen: nn.Module,
    parameters: Mapping[str, Tensor],
    kept: _Kept,
    samples: Samples,
    chunk: int,
) -> None:
    """Gradients of all pieces that go by a rule or by expansion, and layers' factors."""
    terms = [piece.term for piece in kept.pieces]
    modules = list(dict.fromkeys(term.module for term in terms if term.route != "expanded"))
    expandable = [term.parameter for term in terms if term.route == "expanded"]
    for rows, x in samples.chunks(chunk):
        n, share = len(x), (rows.stop - rows.start) / len(x)
        leaves = {name: expand(parameters[name], n).requires_grad_() for name in expandable}
        captured = capture(frozen, modules, x, leaves)
        for name in modules:
            if name not in captured.inputs:
                raise KernelError(
                    f"layer {name} is called otherwise for some inputs than for others"
                )
        sides = {
            index: _input_side(frozen, kept.pieces[index], captured.inputs, n)
            for index in kept.gradients
            if kept.pieces[index].term.route == "weight"
        }
        for name in kept.held:
            part = _first(captured.inputs[name], share)
            kept.inputs[name] = _put(kept.inputs.get(name), part, rows, samples)
        for c, direction in enumerate(samples.basis):
            found = captured.gradients(direction, keep=c + 1 < len(samples.basis))
            for name in kept.held:
                part = _first(found[name], share)
                kept.outputs[name, c] = _put(kept.outputs.get((name, c)), part, rows, samples)
            for index, J in kept.gradients.items():
                gradient = _gradient(frozen, kept.pieces[index], found, sides.get(index), n)
                J[c, rows] = _first(gradient, share)


def _first(rows: Tensor, share: float) -> Tensor:
    return rows[: int(len(rows) * share)]


def _put(whole: Tensor | None, part: Tensor, rows: slice, samples: Samples) -> Tensor:
    """Write a chunk's part of a factor into the whole, which is made for the first of them."""
    n = rows.stop - rows.start
    if n == len(samples.rows):
        return part
    each = len(part) // n
    if whole is None:
        last = part.ndim == 4 and part.is_contiguous(memory_format=torch.channels_last)
        whole = torch.empty(
            (each * len(samples.rows), *part.shape[1:]),
            dtype=part.dtype,
            device=part.device,
            memory_format=torch.channels_last if last else torch.contiguous_format,
        )
    whole[rows.start * each : rows.stop * each] = part
    return whole


def _input_side(
    frozen: nn.Module, piece: Piece, inputs: Mapping[str, Tensor], n: int
) -> Float[Tensor, "n g s p"]:
    a = layer_inputs(frozen.get_submodule(piece.term.module), inputs[piece.term.module], n)
    return a if piece.term.groups == 1 else a[:, piece.start : piece.stop]


def _gradient(
    frozen: nn.Module, piece: Piece, found: Mapping[str, Tensor], a: Tensor | None, n: int
) -> Float[Tensor, "n e"]:
    """Gradients of a piece's entries in one direction."""
    term = piece.term
    if term.route == "expanded":
        return found[term.parameter].flatten(1)
    b = layer_gradient(frozen.get_submodule(term.module), found[term.module], n)
    if a is None:
        return b.sum(-1).flatten(1)
    part = slice(piece.start, piece.stop)
    return weight_gradient(a, b[:, :, part] if term.groups == 1 else b[:, part]).flatten(1)


def _take_generic(
    frozen: nn.Module,
    parameters: Mapping[str, Tensor],
    kept: _Kept,
    samples: Samples,
    chunk: int,
) -> None:
    """Gradients of all pieces that no rule covers."""
    names = dict.fromkeys(piece.term.parameter for piece in kept.pieces)
    own = {name: parameters[name] for name in names}
    mapped = can_be_mapped(frozen, own, samples.rows)
    for rows, x in samples.chunks(chunk):
        count = rows.stop - rows.start
        for c, found in enumerate(jacobian_rows(frozen, own, x, samples.basis, mapped=mapped)):
            for index, J in kept.gradients.items():
                piece = kept.pieces[index]
                J[c, rows] = found[piece.term.parameter][:count, piece.start : piece.stop]


def _contract(
    K: Tensor,
    kept: _Kept,
    index: int,
    frozen: nn.Module,
    samples: Samples,
    scratch: Tensor,
) -> None:
    """Add one piece's kernel."""
    piece, split = kept.pieces[index], samples.split
    if piece.keeps == "gradients":
        J = kept.gradients.pop(index)
        right = None if samples.symmetric else J[:, split:]
        add_gradients(K, J[:, :split], right, samples.outputs)
        return
    left, right_factors = _factors(kept, piece, frozen, samples)
    if piece.order == "explicit":
        add_explicit(K, left, right_factors, samples.outputs, scratch)
    elif piece.order == "inputs":
        add_inputs_first(K, left, right_factors, samples.outputs, len(scratch))
    else:
        add_positions_first(K, left, right_factors, samples.outputs, len(scratch))


def _factors(
    kept: _Kept, piece: Piece, frozen: nn.Module, samples: Samples
) -> tuple[Factors, Factors | None]:
    """Both factors of a layer, for the first inputs and, unless symmetric, for the second."""
    name, n = piece.term.module, len(samples.rows)
    module = frozen.get_submodule(name)
    x = kept.inputs.pop(name)
    gradients = [
        layer_gradient(module, kept.outputs.pop((name, c)), n)[:, 0]
        for c in range(len(samples.basis))
    ]
    rows_each = len(x) // n

    def inputs(start: int, stop: int, channels: slice) -> Tensor:
        part = channels_of(module, x[start * rows_each : stop * rows_each], channels)
        return layer_inputs(module, part, stop - start)[:, 0]

    split, channels = samples.split, x.shape[channel_axis(module)]
    left = Factors(inputs, channels, [b[:split] for b in gradients], split)
    if samples.symmetric:
        return left, None
    right = Factors(
        lambda start, stop, part: inputs(start + split, stop + split, part),
        channels,
        [b[split:] for b in gradients],
        n - split,
    )
    return left, right
