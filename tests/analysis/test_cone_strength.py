"""CES by hand, and where it is undefined."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from conebench.analysis.cone_strength import cone_strength, seed_contributions
from conebench.analysis.window import WindowFigures


def seed(N: float = 0.8, alpha: float = 0.25) -> WindowFigures:
    return WindowFigures(None, N=N, alpha=alpha)


FROZEN = WindowFigures("frozen", N=1.0)
TOO_FEW = "too few checkpoints (6 in the late window, 9 needed)"
SHORT = WindowFigures("too few checkpoints", checkpoints=6)


def test_by_hand() -> None:
    strength = cone_strength([seed(0.7, 0.2), seed(0.9, 0.4), seed(0.8, 0.3)])
    assert strength.CES is not None
    assert strength.CES.value == pytest.approx(100 * 0.8 * 0.7)
    # N: 56 + 70 (N_s - 0.8) and alpha: - 80 (alpha_s - 0.3).
    assert strength.contributions == pytest.approx((57, 55, 56))
    assert strength.undefined is None


def test_the_interval_is_students() -> None:
    seeds = [seed(0.7, 0.2), seed(0.9, 0.4), seed(0.85, 0.1), seed(0.8, 0.3)]
    strength = cone_strength(seeds)
    values = np.array(strength.contributions)
    low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert strength.CES is not None
    assert (strength.CES.low, strength.CES.high) == pytest.approx((low, high), rel=1e-3)


def test_contributions_spread_as_the_product_of_means_does() -> None:
    """Against the product of the means of every resample of five seeds."""
    rng = np.random.default_rng(0)
    N, alpha = rng.uniform(0.8, 0.9, 5), rng.uniform(0.2, 0.4, 5)
    draws = [list(draw) for draw in itertools.product(range(5), repeat=5)]
    products = [100 * N[draw].mean() * (1 - alpha[draw].mean()) for draw in draws]
    expected = np.std(products) * np.sqrt(5 / 4)
    values = seed_contributions(N, alpha)
    assert values.std(ddof=1) / np.sqrt(5) == pytest.approx(expected, rel=0.02)
    assert values.mean() == pytest.approx(100 * N.mean() * (1 - alpha.mean()))


@pytest.mark.parametrize(
    ("N", "alpha", "value"),
    [(0.8, 1.0, 0), (0.8, 2.0, 0), (0.0, 0.0, 0), (1.0, 0.0, 100), (1.0, -0.2, 100)],
)
def test_ends_of_the_range(N: float, alpha: float, value: float) -> None:
    strength = cone_strength([seed(N, alpha), seed(N, alpha)])
    assert strength.CES is not None
    assert strength.CES.value == pytest.approx(value)


def test_near_0_the_interval_is_finite() -> None:
    strength = cone_strength([seed(0.9, 0.9), seed(0.9, 1.1), seed(0.9, 1.0)])
    assert strength.CES is not None
    assert strength.CES.value == pytest.approx(0)
    assert strength.CES.low == 0
    assert strength.CES.high == pytest.approx(90 * 4.3027 * 0.1 / np.sqrt(3))


def test_one_seed_has_no_interval() -> None:
    strength = cone_strength([seed()])
    assert strength.CES is not None
    assert strength.CES.value == pytest.approx(60)
    assert (strength.CES.low, strength.CES.high) == (None, None)


@pytest.mark.parametrize(
    ("seeds", "reason"),
    [
        ([FROZEN, FROZEN], "frozen in 2 of 2 seeds"),
        ([seed(), FROZEN, seed()], "frozen in 1 of 3 seeds"),
        ([SHORT, FROZEN, seed()], f"{TOO_FEW}, frozen in 2 of 3 seeds"),
        ([SHORT], f"{TOO_FEW} in 1 of 1 seeds"),
        ([], "no seeds"),
    ],
)
def test_undefined(seeds: list[WindowFigures], reason: str) -> None:
    strength = cone_strength(seeds)
    assert (strength.CES, strength.undefined, strength.contributions) == (None, reason, ())


FIGURES = st.builds(seed, st.floats(0, 1), st.floats(-1, 3))


@given(st.lists(FIGURES, min_size=1, max_size=6))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_CES_lies_within_0_and_100_and_its_interval(seeds: list[WindowFigures]) -> None:
    CES = cone_strength(seeds).CES
    assert CES is not None
    assert 0 <= CES.value <= 100
    if CES.low is not None and CES.high is not None:
        assert 0 <= CES.low <= CES.value + 1e-9
        assert CES.value - 1e-9 <= CES.high <= 100
