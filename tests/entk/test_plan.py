"""conebench.entk.plan: every entry planned once, within the limit, or an error with the figure."""

import re
from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from conebench.entk.plan import KernelPlan, Request, make_plan
from conebench.entk.routes import Routes, Term
from conebench.errors import MemoryLimitError
from conebench.networks.functional import FrozenNetwork

SIZES = st.integers(1, 40)


@st.composite
def terms(draw: st.DrawFn) -> list[Term]:
    """Layers of many shapes, some of them without a rule."""
    found = []
    for index in range(draw(st.integers(1, 6))):
        g, s, p, q = draw(SIZES), draw(SIZES), draw(SIZES), draw(SIZES)
        route = draw(st.sampled_from(["weight", "bias", "expanded", "generic"]))
        if route != "weight":
            found.append(Term(f"p{index}", "", route, entries=p))
            continue
        found.append(Term(f"p{index}", f"m{index}", route, g * p * q, g, s, p, q, s * p, s * q))
    return found


def _plan(layers: list[Term], limit: int, samples: int = 20, directions: int = 3) -> KernelPlan:
    x, basis = torch.zeros(samples, 1), torch.eye(directions)
    request = Request(
        FrozenNetwork(nn.Identity(), is_anchored=False), {}, x, samples, True, basis, "full"
    )
    routes = Routes(layers, directions, graph_numbers=500)
    return make_plan(request, routes, 2 * (samples * directions) ** 2, limit)


@given(layers=terms(), megabytes=st.sampled_from([0.3, 1, 10, 1000]))
def test_every_entry_is_planned_once_within_the_limit(layers, megabytes: float) -> None:
    limit = int(megabytes * 1e6)
    try:
        plan = _plan(layers, limit)
    except MemoryLimitError as error:
        needed = int(re.search(r"at least ([\d,]+)", str(error))[1].replace(",", ""))
        assert needed > limit
        # The figure is honest: with it, there is a plan.
        plan = _plan(layers, needed)
        limit = needed
    pieces = [piece for planned in plan.passes for piece in planned.pieces]
    for term in layers:
        mine = [piece for piece in pieces if piece.term == term]
        assert sum(piece.entries for piece in mine) == term.entries
        assert all(a.stop == b.start for a, b in pairwise(mine))
    assert plan.peak_bytes <= limit
    assert all(2 <= planned.chunk <= 20 for planned in plan.passes)


def test_less_memory_takes_more_passes() -> None:
    layers = [
        Term(f"p{i}", f"m{i}", "weight", 10_000, 1, 16, 100, 100, 400, 1600) for i in range(8)
    ]
    counts = [len(_plan(layers, limit).passes) for limit in (10**9, 3 * 10**6, 10**6)]
    assert counts[0] == 1
    assert counts == sorted(counts)
    assert counts[2] > counts[1] > 1
