"""How a kernel will be built within a memory limit: orders of contraction, passes, chunks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from conebench.entk.contraction import Order, Outputs
from conebench.entk.costs import cheapest, multiply_adds
from conebench.entk.coverage import Term

# Chunks larger than this were no faster; smaller ones leave memory to others.
CHUNK_NUMBERS = 2**26
SLAB_NUMBERS = 2**24


class KernelError(ValueError):
    """A kernel that cannot be built: the message says why."""


@dataclass(frozen=True)
class Size:
    """What a plan needs to know of a call.

    `rows` samples in all, `directions` in logit space, `kernel_numbers` of one result, `results`
    to be kept at one time, `itemsize` of a number, `graph_numbers` kept of one sample by a
    forward pass.
    """

    rows: int
    directions: int
    outputs: Outputs
    kernel_numbers: int
    results: int
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
    """Pieces whose gradients are taken in the same backward passes, `chunk` samples at a time."""

    pieces: tuple[Piece, ...]
    chunk: int
    generic: bool
    numbers: int


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

    Raises a KernelError, with the bytes needed, where one sample or one output is too much.
    """
    room = memory_limit // size.itemsize - size.kernel_numbers * (size.results + 1)
    smallest = _smallest(terms, size)
    if room < smallest:
        needed = (size.kernel_numbers * (size.results + 1) + smallest) * size.itemsize
        raise KernelError(
            f"memory limit: came {memory_limit:,} bytes, this kernel needs at least {needed:,}"
        )
    # What is kept of layers, what one chunk takes, and what a contraction takes.
    budget = max(room - smallest, room // 2) * 5 // 8
    slab = max(1, min(SLAB_NUMBERS, room // 8))
    ruled = [t for t in terms if t.route != "generic"]
    generic = [t for t in terms if t.route == "generic"]
    passes = [
        *(_pass(pieces, size, room, slab) for pieces in _packed(ruled, size, budget)),
        *(_pass(pieces, size, room, slab) for pieces in _packed(generic, size, budget)),
    ]
    peak = max((p.numbers for p in passes), default=0)
    work = sum(_work(piece, size) for p in passes for piece in p.pieces)
    kernel = size.kernel_numbers * (size.results + 1)
    return KernelPlan(tuple(passes), slab, work, (kernel + peak) * size.itemsize, memory_limit)


def _smallest(terms: Sequence[Term], size: Size) -> int:
    """Numbers without which no plan is possible: two samples' graph, one piece, one slab."""
    widest = max((t.entries // pieces_of(t) for t in terms), default=0)
    live = max((_live([_whole(t, size)], size) for t in terms), default=0)
    return 2 * live + 2 * size.rows * size.directions * widest


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
    if _peak(whole, size) <= budget:
        yield whole
        return
    count = pieces_of(term)
    one = size.rows * size.directions * (term.entries // count)
    step = max(1, budget // one)
    for start in range(0, count, step):
        stop = min(count, start + step)
        yield Piece(term, "explicit", "gradients", start, stop, one * (stop - start))


def _peak(piece: Piece, size: Size) -> int:
    """Numbers that a piece takes while it is contracted."""
    if piece.order != "inputs":
        return piece.numbers
    return piece.numbers + size.rows * size.directions * piece.term.held_outputs


def _packed(terms: Sequence[Term], size: Size, budget: int) -> Iterator[list[Piece]]:
    """Everything to be kept, in order, in groups within the budget."""
    group: list[Piece] = []
    held = extra = 0
    for term in terms:
        for piece in _pieces(term, size, budget):
            more = _peak(piece, size) - piece.numbers
            if group and held + piece.numbers + max(extra, more) > budget:
                yield group
                group, held, extra = [], 0, 0
            group.append(piece)
            held += piece.numbers
            extra = max(extra, more)
    if group:
        yield group


def _pass(pieces: Sequence[Piece], size: Size, room: int, slab: int) -> Pass:
    held = sum(piece.numbers for piece in pieces)
    contraction = slab + max(_peak(p, size) - p.numbers for p in pieces)
    live = _live(pieces, size)
    free = room - held - contraction
    chunk = max(2, min(size.rows, min(free, CHUNK_NUMBERS) // live))
    # Chunks of almost one size: a last, small one would be slow.
    chunk = max(2, -(-size.rows // -(-size.rows // chunk)))
    generic = pieces[0].term.route == "generic"
    return Pass(tuple(pieces), chunk, generic, held + max(contraction, chunk * live))


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
    return share * multiply_adds(
        piece.term, piece.order, size.rows, size.directions, size.outputs
    )
