"""Cone-effect strength by hand, its verdicts, and shared ranks."""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from conebench.analysis.cone import Cone
from conebench.analysis.intervals import Estimate
from conebench.analysis.phases import Phases
from conebench.analysis.strength import SeedOutcome, Summary, shared_ranks, summarize

TWO_PHASES = Phases("two phases", 200, 0.02, 150, estimators_disagree=False)
NO_PHASE_II = Phases("no Phase II", None, 0.3, 500, estimators_disagree=False)
NO_RATE = Phases("no constant learning rate", None, None, None, estimators_disagree=False)


def cone(N: float = 0.64, alpha: float | None = 0.1) -> Cone:
    return Cone(20.0, 18.0, 60.0, N, alpha, 300.0, 10.0)


def seed(
    lazy: float = 0.5, switched: float = 0.7, full: float = 0.9, N: float = 0.64
) -> SeedOutcome:
    return SeedOutcome(TWO_PHASES, cone(N), lazy, switched, full, diverged=False)


def ces(lazy: float, switched: float, full: float, N: float) -> float:
    gamma = min(1, max(0, 1 - (switched - lazy) / (full - lazy)))
    return 100 * math.sqrt(N * gamma)


def single(value: float) -> Estimate:
    return Estimate(float(value), None, None, 1)


SEEDS = [seed(0.5, 0.7, 0.9, 0.64), seed(0.52, 0.71, 0.91, 0.6), seed(0.49, 0.66, 0.92, 0.7)]


def test_by_hand() -> None:
    summary = summarize([seed(0.5, 0.7, 0.9, 0.5)] * 2)
    assert (summary.verdict, summary.detail) == ("measured", "CES = 100 sqrt(N Gamma)")
    for estimate, value in [
        (summary.lazy_gap, 0.4),
        (summary.R, 0.5),
        (summary.Gamma, 0.5),
        (summary.CES, 50),
        (summary.N, 0.5),
        (summary.alpha, 0.1),
        (summary.floor, 0.02),
        (summary.T_star, 200),
        (summary.turn_deg, 60),
        (summary.half_angle_deg, 20),
        (summary.A_lazy, 0.5),
        (summary.A_switched, 0.7),
        (summary.A_full, 0.9),
    ]:
        assert estimate is not None
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx((value,) * 3)
        assert estimate.seeds == 2


def test_seeds_are_averaged_before_the_formula_and_stay_paired() -> None:
    rows = [(s.A_lazy, s.A_switched, s.A_full, s.cone.N) for s in SEEDS if s.cone]
    summary = summarize(SEEDS)
    draws = [np.mean(draw, axis=0) for draw in itertools.product(rows, repeat=3)]
    value = ces(*np.mean(rows, axis=0))
    squares = [(ces(*draw) / 100) ** 2 for draw in draws]
    reach = stats.t.ppf(0.975, 2) * math.sqrt(3 / 2) * np.std(squares)
    assert summary.CES is not None
    assert summary.CES.value == pytest.approx(value)
    for end, sign in ((summary.CES.low, -1), (summary.CES.high, 1)):
        square = (value / 100) ** 2 + sign * reach
        assert end == pytest.approx(100 * math.sqrt(min(1, max(0, square))), abs=1e-2)


def test_at_the_end_of_its_range_a_figure_still_has_an_interval() -> None:
    """Worse than lazy by unlike amounts: Gamma is 1 in every resample."""
    summary = summarize([seed(0.30, 0.25, 0.65, 0.5), seed(0.301, 0.20, 0.66, 0.5)])
    assert summary.R is not None
    assert summary.Gamma is not None
    assert summary.CES is not None
    assert (summary.Gamma.value, summary.Gamma.high) == (1.0, 1.0)
    assert summary.Gamma.low == pytest.approx(1 - (summary.R.high - summary.R.low) / 2)
    assert summary.CES.value == pytest.approx(100 * math.sqrt(0.5))
    assert summary.CES.low < summary.CES.value < summary.CES.high


@pytest.mark.parametrize(
    ("switched", "R", "Gamma"),
    [(0.4, -0.25, 1), (0.5, 0, 1), (0.6, 0.25, 0.75), (0.9, 1, 0), (0.95, 1.125, 0)],
)
def test_Gamma_is_clipped_and_R_is_not(switched: float, R: float, Gamma: float) -> None:
    summary = summarize([seed(0.5, switched, 0.9, 0.64)] * 2)
    assert summary.R is not None
    assert summary.Gamma is not None
    assert summary.CES is not None
    assert summary.R.value == pytest.approx(R, abs=1e-12)
    assert summary.Gamma.value == pytest.approx(Gamma, abs=1e-12)
    assert summary.CES.value == pytest.approx(80 * math.sqrt(Gamma), abs=1e-6)


def test_one_seed_has_values_without_intervals() -> None:
    summary = summarize([seed()])
    assert summary.verdict == "measured"
    assert summary.CES is not None
    assert vars(summary.CES) == {
        "value": pytest.approx(100 * math.sqrt(0.32)),
        "low": None,
        "high": None,
        "seeds": 1,
    }
    assert summary.A_full == single(0.9)


def missing(**arms: None) -> list[SeedOutcome]:
    return [*SEEDS[:2], replace(SEEDS[2], **arms)]


DIVERGED = replace(seed(), A_switched=None, diverged=True)
NOT_SETTLED = replace(seed(), phases=NO_PHASE_II, cone=None, A_switched=None)
COSINE = replace(seed(), phases=NO_RATE, cone=None, A_switched=None)
ARMS = "CES needs the arms lazy, switched(T*) and full of every seed; missing: "
GAP = "A(full) - A(lazy) is not significantly above zero"

UNDEFINED = {
    "diverged": (
        [seed(), DIVERGED],
        "arm diverged",
        "an arm that CES needs diverged in 1 of 2 seeds",
    ),
    "diverged before it settled": (
        [replace(NOT_SETTLED, A_full=None, diverged=True)] * 2,
        "arm diverged",
        "an arm that CES needs diverged in 2 of 2 seeds",
    ),
    "one seed never settles": (
        [seed(), seed(), NOT_SETTLED],
        "no Phase II",
        "the kernel never settles in 1 of 3 seeds",
    ),
    "cosine": (
        [COSINE] * 2,
        "no constant learning rate",
        "T* needs a stretch of constant learning rate with 8 intervals",
    ),
    "no lazy arm": (missing(A_lazy=None), "arm missing", f"{ARMS}lazy"),
    "no switched arm": (missing(A_switched=None), "arm missing", f"{ARMS}switched(200)"),
    "no full arm": (missing(A_full=None), "arm missing", f"{ARMS}full"),
    "no cone": (missing(cone=None), "arm missing", f"{ARMS}the cone"),
    "lazy is better": ([seed(0.95)] * 3, "lazy gap not significant", GAP),
    "no gap": ([seed(0.9)] * 3, "lazy gap not significant", GAP),
    "lazy is better in one seed of two": (
        [seed(0.5), seed(0.95)],
        "lazy gap not significant",
        GAP,
    ),
    "no gap in the only seed": ([seed(0.9)], "lazy gap not significant", GAP),
}


@pytest.mark.parametrize(("seeds", "verdict", "detail"), UNDEFINED.values(), ids=UNDEFINED)
def test_undefined(seeds: list[SeedOutcome], verdict: str, detail: str) -> None:
    summary = summarize(seeds)
    assert (summary.verdict, summary.detail) == (verdict, detail)
    assert (summary.CES, summary.Gamma, summary.R) == (None, None, None)


def test_what_is_known_is_told_without_a_verdict() -> None:
    summary = summarize([seed(), NOT_SETTLED])
    assert (summary.N, summary.T_star) == (single(0.64), single(200))
    assert summary.A_full is not None
    assert summary.A_full.seeds == 2
    assert summarize([COSINE]).N is None


def test_alpha_may_be_unknown_where_the_rest_is_known() -> None:
    frozen = replace(seed(), cone=cone(alpha=None))
    assert summarize([frozen, frozen]).alpha is None
    assert summarize([frozen, frozen]).verdict == "measured"
    assert summarize([frozen, seed()]).alpha == single(0.1)


def finite(summary: Summary) -> bool:
    numbers = [
        number
        for estimate in vars(summary).values()
        if isinstance(estimate, Estimate)
        for number in (estimate.value, estimate.low, estimate.high)
    ]
    return all(number is None or math.isfinite(number) for number in numbers)


SHARE = st.integers(0, 360).map(lambda correct: correct / 360)


@given(st.lists(st.builds(seed, SHARE, SHARE, SHARE, SHARE), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_any_accuracies_give_finite_figures(seeds: list[SeedOutcome]) -> None:
    summary = summarize(seeds)
    assert finite(summary)
    if summary.CES is not None:
        assert 0 <= summary.CES.value <= 100


def interval(low: float, high: float) -> Estimate:
    return Estimate((low + high) / 2, float(low), float(high), 3)


RANKS = {
    "apart": ([(50, 60), (30, 40), (10, 20)], [1, 2, 3]),
    "in any order": ([(10, 20), (50, 60), (30, 40)], [3, 1, 2]),
    "overlapping": ([(50, 60), (40, 55), (10, 20)], [1, 1, 3]),
    "touching": ([(50, 60), (40, 50)], [1, 1]),
    "chain": ([(50, 60), (40, 51), (30, 41)], [1, 1, 2]),
    "wide": ([(50, 60), (0, 100), (10, 20)], [1, 1, 2]),
    "one seed": ([(50, 60), single(55), (10, 20)], [1, None, 2]),
    "undefined": ([None, (10, 20), None], [None, 1, None]),
    "none at all": ([], []),
}


@pytest.mark.parametrize(("rows", "ranks"), RANKS.values(), ids=RANKS)
def test_shared_ranks(rows: list[Any], ranks: list[int | None]) -> None:
    estimates = [interval(*row) if isinstance(row, tuple) else row for row in rows]
    assert shared_ranks(estimates) == ranks
