"""One pass of a plan: gather gradients, then contract."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from conebench.entk.contraction import (
    Factors,
    add_explicit,
    add_gradients,
    add_inputs_first,
    add_positions_first,
)
from conebench.entk.jacobians import jacobian_rows
from conebench.entk.layer_io import capture
from conebench.entk.layer_rules import (
    channel_axis,
    channels_of,
    layer_gradient,
    layer_inputs,
    weight_gradient,
)
from conebench.entk.plan import Pass, Piece, Request
from conebench.entk.routes import Term, expand
from conebench.errors import KernelError

log = logging.getLogger(__name__)

# A lone sample is given twice, see `Request.chunks`.
SMALLEST_CHUNK = 2


def add_pass(
    request: Request, planned: Pass, kernel_of: Callable[[Term], Tensor], slab_numbers: int
) -> int:
    """Add each term's kernel to `kernel_of(term)`. Return how many parameter entries these are."""
    gathered = _gather(request, planned, planned.chunk)
    scratch = request.x.new_empty(slab_numbers)
    for index, piece in enumerate(planned.pieces):
        _contract(kernel_of(piece.term), gathered, index, request, scratch)
    return sum(piece.entries for piece in planned.pieces)


@dataclass
class _Gathered:
    """Gradients and factors of the pieces of a pass.

    `gradients` are J [r, n, e] by index of the piece. Of the layers in `factored`, `inputs` are
    kept by name and `outputs`, the gradients of a layer's output, by name and direction.
    """

    pieces: tuple[Piece, ...]
    gradients: dict[int, Tensor]
    factored: frozenset[str]
    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[tuple[str, int], Tensor] = field(default_factory=dict)

    @classmethod
    def empty(cls, planned: Pass, request: Request) -> "_Gathered":
        r, n = len(request.basis), len(request.x)
        gradients = {
            index: request.x.new_zeros(r, n, piece.entries)
            for index, piece in enumerate(planned.pieces)
            if piece.keeps == "gradients"
        }
        factored = frozenset(p.term.module for p in planned.pieces if p.keeps == "factors")
        return cls(planned.pieces, gradients, factored)


def _gather(request: Request, planned: Pass, chunk: int) -> _Gathered:
    """Gather what a pass keeps, with smaller chunks if memory runs out."""
    try:
        return _gather_in_chunks(request, planned, chunk)
    except torch.OutOfMemoryError:
        if chunk <= SMALLEST_CHUNK:
            raise
    # Outside the handler, so that what the failed try held is free again.
    half = max(SMALLEST_CHUNK, chunk // 2)
    log.warning("out of memory: going on with %d samples at a time", half)
    return _gather(request, planned, half)


def _gather_in_chunks(request: Request, planned: Pass, chunk: int) -> _Gathered:
    gathered = _Gathered.empty(planned, request)
    gather = _gather_generic if planned.generic else _gather_layers
    gather(request, gathered, chunk)
    return gathered


def _gather_layers(request: Request, gathered: _Gathered, chunk: int) -> None:
    """Gather factors, and gradients by rule or by expansion."""
    network, r = request.network, len(request.basis)
    terms = [piece.term for piece in gathered.pieces]
    modules = list(dict.fromkeys(term.module for term in terms if term.route != "expanded"))
    expandable = [term.parameter for term in terms if term.route == "expanded"]
    for rows, x in request.chunks(chunk):
        # A lone sample is given twice, and the second half of what comes back is left out.
        n, share = len(x), (rows.stop - rows.start) / len(x)
        leaves = {name: expand(request.parameters[name], n).requires_grad_() for name in expandable}
        captured = capture(network, modules, x, request.parameters, leaves)
        for name in modules:
            if name not in captured.inputs:
                raise KernelError(f"layer {name} is not called the same way for all inputs")
        # The inputs a [n, g, s, p] of a layer are the same in every direction.
        sides = {
            index: _input_side(network.network, gathered.pieces[index], captured.inputs, n)
            for index in gathered.gradients
            if gathered.pieces[index].term.route == "weight"
        }
        for name in gathered.factored:
            part = _first(captured.inputs[name], share)
            gathered.inputs[name] = _write_chunk(gathered.inputs.get(name), part, rows, request)
        for c, direction in enumerate(request.basis):
            found = captured.gradients(direction, keep=c + 1 < r)
            for name in gathered.factored:
                part, key = _first(found[name], share), (name, c)
                whole = gathered.outputs.get(key)
                gathered.outputs[key] = _write_chunk(whole, part, rows, request)
            for index, J in gathered.gradients.items():
                # [n, e]
                piece = gathered.pieces[index]
                gradient = _gradient(network.network, piece, found, sides.get(index), n)
                J[c, rows] = _first(gradient, share)


def _first(rows: Tensor, share: float) -> Tensor:
    return rows[: int(len(rows) * share)]


def _write_chunk(whole: Tensor | None, part: Tensor, rows: slice, request: Request) -> Tensor:
    """Write a chunk's part of a factor into the whole."""
    n = rows.stop - rows.start
    if n == len(request.x):
        return part
    # A layer may have several rows per sample, as window attention has.
    each = len(part) // n
    if whole is not None and (
        part.shape[1:] != whole.shape[1:] or len(whole) != each * len(request.x)
    ):
        got, expected = list(part.shape[1:]), list(whole.shape[1:])
        raise KernelError(
            f"a layer's shape changes with the inputs: got {each} rows of {got} per sample, "
            f"expected {len(whole) // len(request.x)} of {expected}"
        )
    if whole is None:
        last = part.ndim == 4 and part.is_contiguous(memory_format=torch.channels_last)
        whole = torch.empty(
            (each * len(request.x), *part.shape[1:]),
            dtype=part.dtype,
            device=part.device,
            memory_format=torch.channels_last if last else torch.contiguous_format,
        )
    whole[rows.start * each : rows.stop * each] = part
    return whole


def _input_side(
    network: nn.Module, piece: Piece, inputs: Mapping[str, Tensor], n: int
) -> Float[Tensor, "n g s p"]:
    a = layer_inputs(network.get_submodule(piece.term.module), inputs[piece.term.module], n)
    # A part of a grouped layer is some of its groups, of any other layer some of its outputs.
    return a if piece.term.groups == 1 else a[:, piece.start : piece.stop]


def _gradient(
    network: nn.Module, piece: Piece, found: Mapping[str, Tensor], a: Tensor | None, n: int
) -> Float[Tensor, "n e"]:
    """Return a piece's gradients in one direction."""
    term = piece.term
    if term.route == "expanded":
        return found[term.parameter].flatten(1)
    b = layer_gradient(network.get_submodule(term.module), found[term.module], n)  # [n, g, q, s]
    if a is None:
        # A bias: [n, g, q, s] -> [n, g q].
        return b.sum(-1).flatten(1)
    part = slice(piece.start, piece.stop)
    b = b[:, :, part] if term.groups == 1 else b[:, part]
    # [n, g, q, p] -> [n, e]
    return weight_gradient(a, b).flatten(1)


def _gather_generic(request: Request, gathered: _Gathered, chunk: int) -> None:
    """Gather gradients of pieces that no rule covers."""
    names = dict.fromkeys(piece.term.parameter for piece in gathered.pieces)
    own = {name: request.parameters[name] for name in names}
    mapped = own.keys() <= request.mapped
    for rows, x in request.chunks(chunk):
        count = rows.stop - rows.start
        jacobians = jacobian_rows(request.network, own, x, request.basis, mapped=mapped)
        for c, found in enumerate(jacobians):
            for index, J in gathered.gradients.items():
                piece = gathered.pieces[index]
                # [n, entries of the parameter] -> [n, e]
                J[c, rows] = found[piece.term.parameter][:count, piece.start : piece.stop]


def _contract(
    K: Tensor, gathered: _Gathered, index: int, request: Request, scratch: Tensor
) -> None:
    """Add one piece's kernel and free what was gathered."""
    piece, n = gathered.pieces[index], request.n
    if piece.keeps == "gradients":
        J = gathered.gradients.pop(index)  # [r, n + m, e], or [r, n, e] if symmetric
        right = None if request.symmetric else J[:, n:]
        add_gradients(K, J[:, :n], right, request.outputs)
        return
    left, right_factors = _factors(gathered, piece, request)
    if piece.order == "explicit":
        add_explicit(K, left, right_factors, request.outputs, scratch)
    elif piece.order == "inputs":
        add_inputs_first(K, left, right_factors, request.outputs, len(scratch))
    else:
        add_positions_first(K, left, right_factors, request.outputs, len(scratch))


def _factors(gathered: _Gathered, piece: Piece, request: Request) -> tuple[Factors, Factors | None]:
    """Return a layer's factors for x1 and, unless symmetric, for x2."""
    name, count, n = piece.term.module, len(request.x), request.n
    module = request.network.network.get_submodule(name)
    x = gathered.inputs.pop(name)
    # Factors are kept of ungrouped layers alone: [n, 1, q, s] -> [n, q, s].
    gradients = [
        layer_gradient(module, gathered.outputs.pop((name, c)), count)[:, 0]
        for c in range(len(request.basis))
    ]
    rows_each = len(x) // count

    def inputs(start: int, stop: int, channels: slice) -> Tensor:
        part = channels_of(module, x[start * rows_each : stop * rows_each], channels)
        return layer_inputs(module, part, stop - start)[:, 0]  # [n, s, p]

    channels = x.shape[channel_axis(module)]
    left = Factors(inputs, channels, [b[:n] for b in gradients], n)
    if request.symmetric:
        return left, None
    right = Factors(
        lambda start, stop, part: inputs(start + n, stop + n, part),
        channels,
        [b[n:] for b in gradients],
        count - n,
    )
    return left, right
