"""Plan of a kernel within a memory limit: orders, passes, chunks.

Memory is counted in numbers and turned into bytes only to compare it with the limit.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from conebench.entk.contraction import Order, Outputs
from conebench.entk.cost_model import cheapest, multiply_adds
from conebench.entk.routes import Routes, Term
from conebench.errors import MemoryLimitError
from conebench.networks.functional import FrozenNetwork

# Chunks larger than this were no faster; smaller ones leave memory to others.
CHUNK_NUMBERS = 10**8
SLAB_NUMBERS = 2**24
# A process takes more than the numbers counted here: fragments of the heap, workspaces of the
# libraries. Measured: up to 1.78 times (ResNet-8, 96 images, a limit of 80 MB).
MARGIN = 1.8


@dataclass(frozen=True)
class Request:
    """One kernel to build: network, inputs and reduction.

    `x` holds the `n` samples of x1, then those of x2 unless the kernel is symmetric. `basis` holds
    the r directions in logit space in which gradients are taken. `parameters` are the trainable
    ones that have entries and that the logits depend on, by name; those in `mapped` may be taken
    with the network mapped over samples.
    """

    network: FrozenNetwork
    parameters: dict[str, Tensor]
    x: Tensor
    n: int
    symmetric: bool
    basis: Float[Tensor, "r c"]
    outputs: Outputs
    mapped: frozenset[str] = frozenset()

    @property
    def m(self) -> int:
        """Number of second inputs."""
        return self.n if self.symmetric else len(self.x) - self.n

    @property
    def kernel_side(self) -> int:
        """Rows of the kernel as a matrix."""
        return self.n * (len(self.basis) if self.outputs == "full" else 1)

    @property
    def kernel_numbers(self) -> int:
        """Entries of the kernel."""
        return self.kernel_side * self.kernel_side // self.n * self.m

    def empty_kernel(self) -> Tensor:
        """Return zeros: [r, n, r, m] or, for `trace`, [n, m]."""
        if self.outputs == "trace":
            return self.x.new_zeros(self.n, self.m)
        r = len(self.basis)
        return self.x.new_zeros(r, self.n, r, self.m)

    def chunks(self, size: int) -> Iterator[tuple[slice, Tensor]]:
        """Yield chunks of the samples, a lone sample twice."""
        for start in range(0, len(self.x), size):
            part = self.x[start : start + size]
            rows = slice(start, start + len(part))
            # BatchNorm's backward pass in evaluation mode was seen wrong for one sample whose
            # gradient is channels-last (XCiT, torch 2.14, CPU).
            yield rows, torch.cat([part, part]) if len(part) == 1 else part


@dataclass(frozen=True)
class Piece:
    """Part start..stop of one term, kept as gradients or as factors."""

    term: Term
    order: Order
    keeps: Literal["gradients", "factors"]
    start: int
    stop: int
    numbers: int

    @property
    def entries(self) -> int:
        """Parameter entries that this piece counts."""
        return self.term.entries * (self.stop - self.start) // pieces_of(self.term)


@dataclass(frozen=True)
class Pass:
    """Pieces that share backward passes, `chunk` samples at a time.

    There is one backward pass per direction in logit space. `directions` and `outputs` are those
    of the request; a plan of grouped kernels may join the passes of two requests.
    """

    pieces: tuple[Piece, ...]
    chunk: int
    generic: bool
    numbers: int
    directions: int
    outputs: Outputs


@dataclass(frozen=True)
class KernelPlan:
    """All passes of one kernel, with their cost.

    `multiply_adds` counts the contractions alone. `peak_bytes` is the estimate that was compared
    with `memory_limit`, without the network's own parameters.
    """

    passes: tuple[Pass, ...]
    slab_numbers: int
    multiply_adds: float
    peak_bytes: int
    memory_limit: int


def pieces_of(term: Term) -> int:
    """Return how many parts a term's gradients can have."""
    if term.route == "weight":
        return term.outputs if term.groups == 1 else term.groups
    return 1 if term.route in ("bias", "expanded") else term.entries


def make_plan(request: Request, routes: Routes, held_numbers: int, memory_limit: int) -> KernelPlan:
    """Plan a kernel within the memory limit.

    Args:
        request: the kernel.
        routes: the route of each of its parameters.
        held_numbers: entries of all kernels that exist at one time.
        memory_limit: bytes for all that a kernel takes, the network's own parameters apart.

    Returns:
        Passes that together count every entry of every parameter once.

    Raises:
        MemoryLimitError: one sample or one output is too much; the message has the bytes needed.

    """
    terms, rows = routes.terms, len(request.x) * len(request.basis)
    # The kernels, and the largest weight in the order that a backward pass wants, twice.
    fixed = held_numbers + 2 * max((t.entries for t in terms), default=0)
    room = int(memory_limit / MARGIN) // request.x.element_size() - fixed
    # Gradients [r, n, e] of the smallest piece of the largest layer.
    widest = rows * max((t.entries // pieces_of(t) for t in terms), default=0)
    # Two samples of the largest layer in a backward pass.
    live = 2 * max((_live([_whole(t, request)], routes) for t in terms), default=0)
    # The smallest piece is kept, formed and copied.
    extra = max((_extra(_whole(t, request), request) for t in terms), default=0)
    proof = _proof_bytes(routes, request)
    needed = max(_bytes(fixed + live + 3 * widest + extra, request), proof)
    if memory_limit < needed:
        raise MemoryLimitError(
            f"memory limit: got {memory_limit:,} bytes, this kernel needs at least {needed:,}"
        )
    largest = rows * max((t.entries for t in terms), default=0)
    slab = max(widest, min(SLAB_NUMBERS, largest, room // 16, (room - live) // 4))
    # Five eighths of the room for what is kept, the rest for backward passes.
    budget = min(room * 5 // 8, room - 2 * slab - live)
    room_for_live = room - 2 * slab - budget
    # Generic gradients come from another kind of pass, so the two kinds never share one.
    kinds = (
        [t for t in terms if t.route != "generic"],
        [t for t in terms if t.route == "generic"],
    )
    passes = [
        _pass(pieces, request, routes, room, slab)
        for kind in kinds
        for pieces in _packed(kind, request, routes, budget, room_for_live)
    ]
    peak = max((p.numbers for p in passes), default=0)
    work = sum(_work(piece, request) for p in passes for piece in p.pieces)
    peak_bytes = max(_bytes(fixed + peak, request), proof)
    return KernelPlan(tuple(passes), slab, work, peak_bytes, memory_limit)


def _proof_bytes(routes: Routes, request: Request) -> int:
    """Count the bytes that the proof of routes takes."""
    largest = max((t.entries for t in routes.terms), default=0)
    everything, graphs = sum(t.entries for t in routes.terms), 4 * routes.graph_numbers
    # Autograd's gradients of all parameters, copies of the largest to compare it, two graphs.
    routed = _bytes(everything + 4 * largest + graphs, request)
    # Then the referee's copy of all parameters in float64, large blocks that leave no fragments.
    return max(routed, 8 * everything + _bytes(graphs, request))


def _bytes(numbers: int, request: Request) -> int:
    itemsize = request.x.element_size()
    return math.ceil(numbers * itemsize * MARGIN) + itemsize


def _whole(term: Term, request: Request) -> Piece:
    """Return a term in one piece, in its cheapest order."""
    n, r = len(request.x), len(request.basis)
    gradients = n * r * term.entries  # J [r, n, e]
    # Biases, expanded and generic parameters, groups and scales have no two factors to keep.
    if term.route != "weight" or term.groups > 1 or term.inputs == term.outputs == 1:
        return Piece(term, "explicit", "gradients", 0, pieces_of(term), gradients)
    order = cheapest(term, n, r, request.outputs)
    # The layer's inputs once, the gradients of its outputs once per direction.
    factors = n * (term.held_inputs + r * term.held_outputs)
    if order == "explicit" and gradients < factors:
        return Piece(term, order, "gradients", 0, term.outputs, gradients)
    return Piece(term, order, "factors", 0, term.outputs, factors)


def _pieces(term: Term, request: Request, budget: int) -> Iterator[Piece]:
    """Yield a term whole if it fits, else in parts."""
    whole = _whole(term, request)
    if whole.numbers + _extra(whole, request) <= budget:
        yield whole
        return
    count = pieces_of(term)
    # Gradients [r, n, e / count] of the smallest part.
    one = len(request.x) * len(request.basis) * (term.entries // count)
    step = max(1, budget // one)
    for start in range(0, count, step):
        stop = min(count, start + step)
        yield Piece(term, "explicit", "gradients", start, stop, one * (stop - start))


def _extra(piece: Piece, request: Request) -> int:
    """Count the numbers that contracting a piece adds."""
    if piece.keeps == "gradients":
        return 0
    term, carried = piece.term, 0
    if piece.order == "inputs":
        # A copy of the gradients [n, r q, s].
        carried = len(request.x) * len(request.basis) * term.held_outputs
    # Patches [s, p] of two samples.
    return 2 * term.positions * term.inputs + carried


def _packed(
    terms: Sequence[Term], request: Request, routes: Routes, budget: int, room_for_live: int
) -> Iterator[list[Piece]]:
    """Pack pieces greedily into passes that fit the budget."""
    pieces = [piece for term in terms for piece in _pieces(term, request, budget)]

    def fits(group: Sequence[Piece]) -> bool:
        # The smallest chunk is two samples.
        return _kept(group, request) <= budget and 2 * _live(group, routes) <= room_for_live

    if not pieces:
        return
    if fits(pieces):
        yield pieces
        return
    group: list[Piece] = []
    for piece in pieces:
        if group and not fits([*group, piece]):
            yield group
            group = []
        group.append(piece)
    yield group


def _kept(pieces: Sequence[Piece], request: Request) -> int:
    """Count the numbers that pieces take until contracted."""
    return sum(p.numbers for p in pieces) + max(_extra(p, request) for p in pieces)


def _pass(pieces: Sequence[Piece], request: Request, routes: Routes, room: int, slab: int) -> Pass:
    n, kept, live = len(request.x), _kept(pieces, request), _live(pieces, routes)
    chunk = max(2, min(n, min(room - 2 * slab - kept, CHUNK_NUMBERS) // live))
    # Chunks of almost one size: a last, small one would be slow.
    chunk = max(2, -(-n // -(-n // chunk)))
    return Pass(
        pieces=tuple(pieces),
        chunk=chunk,
        generic=pieces[0].term.route == "generic",
        numbers=kept + 2 * slab + chunk * live,
        directions=len(request.basis),
        outputs=request.outputs,
    )


def _live(pieces: Sequence[Piece], routes: Routes) -> int:
    """Count the numbers of one sample in a backward pass."""
    if pieces[0].term.route == "generic":
        # Mapped over samples, the graph holds each sample's own parameters and plain attention.
        own = sum({p.term.parameter: p.term.entries for p in pieces}.values())
        return 3 * routes.graph_numbers + 3 * own
    # Gradients [g q, s] of each layer's output, and four more of the largest as an allowance.
    outputs = {p.term.module: p.term.held_outputs for p in pieces}
    # Inputs in normal form [g, s, p], which serve all directions.
    patches = sum(
        p.term.groups * p.term.positions * p.term.inputs
        for p in pieces
        if p.keeps == "gradients" and p.term.route == "weight"
    )
    return routes.graph_numbers + sum(outputs.values()) + 4 * max(outputs.values()) + patches + 1


def _work(piece: Piece, request: Request) -> float:
    """Return the multiply-adds of a piece."""
    n, r = len(request.x), len(request.basis)
    share = (piece.stop - piece.start) / pieces_of(piece.term)
    return share * multiply_adds(piece.term, piece.order, n, r, request.outputs)
