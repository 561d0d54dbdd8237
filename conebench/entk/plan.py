"""How a kernel will be built within a memory limit: orders of contraction, passes, chunks."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from conebench.entk.contraction import Order, Outputs
from conebench.entk.cost_model import cheapest, multiply_adds
from conebench.entk.routes import Term

# Chunks larger than this were no faster; smaller ones leave memory to others.
CHUNK_NUMBERS = 10**8
SLAB_NUMBERS = 2**24
# What a process takes over the numbers counted here: fragments of the heap, workspaces of the
# libraries. Measured: up to 1.78 (ResNet-8, 96 images, a limit of 80 MB).
MARGIN = 1.8


class KernelError(ValueError):
    """A kernel that cannot be built: the message says why."""


class MemoryLimitError(KernelError):
    """A memory limit within which this kernel cannot be built: the message says what it needs."""


@dataclass(frozen=True)
class Size:
    """What a plan needs to know of a call.

    `rows` samples in all, `directions` in logit space, `held_numbers` of all kernels that exist at
    one time, `itemsize` of a number, `graph_numbers` kept of one sample by a forward pass.
    """

    rows: int
    directions: int
    outputs: Outputs
    held_numbers: int
    itemsize: int
    graph_numbers: int


@dataclass(frozen=True)
class Piece:
    """Part of one term: its gradients kept for outputs start..stop, or its two factors."""

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
    """Pieces whose gradients are taken in the same backward passes, `chunk` samples at a time.

    There is one backward pass for each of `directions` in logit space; `outputs` is the reduction.
    """

    pieces: tuple[Piece, ...]
    chunk: int
    generic: bool
    numbers: int
    directions: int
    outputs: Outputs


@dataclass(frozen=True)
class KernelPlan:
    """All passes of one kernel, with their cost known beforehand.

    `multiply_adds` counts contractions alone; `peak_bytes` is the estimate that was held against
    `memory_limit`, the network's own parameters not counted.
    """

    passes: tuple[Pass, ...]
    slab_numbers: int
    multiply_adds: float
    peak_bytes: int
    memory_limit: int


def pieces_of(term: Term) -> int:
    """Into how many parts the gradients of a term can be split."""
    if term.route == "weight":
        return term.outputs if term.groups == 1 else term.groups
    return 1 if term.route in ("bias", "expanded") else term.entries


def make_plan(terms: Sequence[Term], size: Size, memory_limit: int) -> KernelPlan:
    """A plan whose estimated peak stays within `memory_limit` bytes.

    Raises a MemoryLimitError, with the bytes needed, where one sample or one output is too much.
    """
    # The kernels, and the largest weight in the order that a backward pass wants, twice.
    fixed = size.held_numbers + 2 * max((t.entries for t in terms), default=0)
    room = int(memory_limit / MARGIN) // size.itemsize - fixed
    widest = (
        size.rows * size.directions * max((t.entries // pieces_of(t) for t in terms), default=0)
    )
    # Two samples' gradients of the largest layer, its smallest piece, kept, formed and copied.
    live = 2 * max((_live([_whole(t, size)], size) for t in terms), default=0)
    smallest = live + 3 * widest + max((_extra(_whole(t, size), size) for t in terms), default=0)
    proof = _proof(terms, size)
    needed = _bytes(max(fixed + smallest, proof), size)
    if memory_limit < needed:
        raise MemoryLimitError(
            f"memory limit: got {memory_limit:,} bytes, this kernel needs at least {needed:,}"
        )
    largest = size.rows * size.directions * max((t.entries for t in terms), default=0)
    slab = max(widest, min(SLAB_NUMBERS, largest, room // 16, (room - live) // 4))
    budget = min(room * 5 // 8, room - 2 * slab - live)
    ruled = [t for t in terms if t.route != "generic"]
    generic = [t for t in terms if t.route == "generic"]
    passes = [
        _pass(pieces, size, room, slab)
        for kind in (ruled, generic)
        for pieces in _packed(kind, size, budget, room - 2 * slab - budget)
    ]
    peak = max((p.numbers for p in passes), default=0)
    work = sum(_work(piece, size) for p in passes for piece in p.pieces)
    return KernelPlan(
        tuple(passes), slab, work, _bytes(max(fixed + peak, proof), size), memory_limit
    )


def _proof(terms: Sequence[Term], size: Size) -> int:
    """Numbers of the proof on two samples, before any pass.

    Autograd's gradients of all parameters, copies of the largest to compare it, and two graphs.
    """
    largest = max((t.entries for t in terms), default=0)
    return sum(t.entries for t in terms) + 4 * largest + 4 * size.graph_numbers


def _bytes(numbers: int, size: Size) -> int:
    return math.ceil(numbers * size.itemsize * MARGIN) + size.itemsize


def _whole(term: Term, size: Size) -> Piece:
    """A term in one piece, in its cheapest order, kept in the smaller form."""
    n, r = size.rows, size.directions
    gradients = n * r * term.entries
    if term.route != "weight" or term.groups > 1 or term.inputs == term.outputs == 1:
        return Piece(term, "explicit", "gradients", 0, pieces_of(term), gradients)
    order = cheapest(term, n, r, size.outputs)
    factors = n * (term.held_inputs + r * term.held_outputs)
    if order == "explicit" and gradients < factors:
        return Piece(term, order, "gradients", 0, term.outputs, gradients)
    return Piece(term, order, "factors", 0, term.outputs, factors)


def _pieces(term: Term, size: Size, budget: int) -> Iterator[Piece]:
    whole = _whole(term, size)
    if whole.numbers + _extra(whole, size) <= budget:
        yield whole
        return
    count = pieces_of(term)
    one = size.rows * size.directions * (term.entries // count)
    step = max(1, budget // one)
    for start in range(0, count, step):
        stop = min(count, start + step)
        yield Piece(term, "explicit", "gradients", start, stop, one * (stop - start))


def _extra(piece: Piece, size: Size) -> int:
    """Numbers that a piece takes on top while it is contracted, two slabs not counted.

    Patches of two samples, and a copy of the gradients that are carried.
    """
    if piece.keeps == "gradients":
        return 0
    term = piece.term
    carried = size.rows * size.directions * term.held_outputs if piece.order == "inputs" else 0
    return 2 * term.positions * term.inputs + carried


def _packed(
    terms: Sequence[Term], size: Size, budget: int, room_for_live: int
) -> Iterator[list[Piece]]:
    """Everything to be kept, in order, in groups within the budget, two samples' graph beside."""
    pieces = [piece for term in terms for piece in _pieces(term, size, budget)]

    def fits(group: Sequence[Piece]) -> bool:
        return _kept(group, size) <= budget and 2 * _live(group, size) <= room_for_live

    group: list[Piece] = []
    for piece in pieces if pieces and not fits(pieces) else ():
        if group and not fits([*group, piece]):
            yield group
            group = []
        group.append(piece)
    if group or pieces:
        yield group or pieces


def _kept(pieces: Sequence[Piece], size: Size) -> int:
    """Numbers kept of pieces, with what the largest takes on top while it is contracted."""
    return sum(p.numbers for p in pieces) + max(_extra(p, size) for p in pieces)


def _pass(pieces: Sequence[Piece], size: Size, room: int, slab: int) -> Pass:
    kept, live = _kept(pieces, size), _live(pieces, size)
    chunk = max(2, min(size.rows, min(room - 2 * slab - kept, CHUNK_NUMBERS) // live))
    # Chunks of almost one size: a last, small one would be slow.
    chunk = max(2, -(-size.rows // -(-size.rows // chunk)))
    generic = pieces[0].term.route == "generic"
    numbers = kept + 2 * slab + chunk * live
    return Pass(tuple(pieces), chunk, generic, numbers, size.directions, size.outputs)


def _live(pieces: Sequence[Piece], size: Size) -> int:
    """Numbers that one sample takes while its gradients are taken."""
    if pieces[0].term.route == "generic":
        # Mapped over samples, the graph holds each sample's own parameters and plain attention.
        own = sum({p.term.parameter: p.term.entries for p in pieces}.values())
        return 3 * size.graph_numbers + 3 * own
    outputs = {p.term.module: p.term.held_outputs for p in pieces}
    patches = sum(
        p.term.groups * p.term.positions * p.term.inputs
        for p in pieces
        if p.keeps == "gradients" and p.term.route == "weight"
    )
    return size.graph_numbers + sum(outputs.values()) + 4 * max(outputs.values()) + patches + 1


def _work(piece: Piece, size: Size) -> float:
    share = (piece.stop - piece.start) / pieces_of(piece.term)
    return share * multiply_adds(piece.term, piece.order, size.rows, size.directions, size.outputs)
