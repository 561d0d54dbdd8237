"""Variance between probe sets, exact counts, and the claim."""

import numpy as np
import pytest
from scipy import stats

from conebench.analysis.study import (
    Claim,
    Effect,
    count_of,
    judge_claim,
    mean_over_seeds,
    probe_variance,
)


def test_the_variance_between_probe_sets_is_recovered() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(500):
        sets, seeds = rng.normal(0, 0.5, 4), rng.normal(0, 2.0, (3, 1))
        found.append(probe_variance(sets + seeds + rng.normal(0, 0.1, (3, 4))).variance)
    assert np.mean(found) == pytest.approx(0.25, rel=0.1)


def test_it_is_0_where_sets_differ_no_more_than_the_rest() -> None:
    found = probe_variance(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    assert (found.variance, found.freedom) == (0.0, 1.0)


def test_intervals_cover_the_figure_of_all_probe_sets() -> None:
    """A cell has one probe set; its variance from block F makes up for it."""
    rng = np.random.default_rng(1)
    covered, draws = {"seeds alone": 0, "with probe sets": 0}, 1000
    for _ in range(draws):
        block_F = rng.normal(0, 0.5, 4) + rng.normal(0, 0.5, (3, 1)) + rng.normal(0, 0.2, (3, 4))
        component = probe_variance(block_F)
        cell = rng.normal(0, 0.5) + rng.normal(0, np.hypot(0.5, 0.2), 5)
        alone = mean_over_seeds([np.array([value]) for value in cell])
        assert alone is not None
        wide = alone.widened(component.variance, component.freedom)
        for name, effect in (("seeds alone", alone), ("with probe sets", wide)):
            low, high = effect.interval() or (0.0, 0.0)
            covered[name] += low < 0 < high
    assert covered["seeds alone"] / draws < 0.75
    # Three degrees of freedom of four sets: somewhat below 95 %.
    assert 0.88 < covered["with probe sets"] / draws <= 1


def test_counts_have_exact_intervals() -> None:
    found = count_of(1, 5)
    assert found.low == pytest.approx(stats.beta.ppf(0.025, 1, 5))
    assert found.high == pytest.approx(stats.beta.ppf(0.975, 2, 4))
    assert (count_of(5, 5).high, count_of(0, 5).low) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("figures", "claim", "holds"),
    [
        ((1.0, 0.3, 0.05), Claim(True, True, True), True),
        ((1.0, 0.99, 0.05), Claim(True, False, True), False),
        ((1.0, 0.3, 0.001), Claim(True, True, False), False),
        ((0.001, 0.3, 0.05), Claim(False, True, True), False),
    ],
)
def test_the_claim_needs_all_three(figures: tuple[float, ...], claim: Claim, holds: bool) -> None:
    motion, alpha, benefit = (Effect(value, 0.0001, 4.0, 5) for value in figures)
    assert judge_claim(motion, alpha, benefit) == claim
    assert claim.holds is holds


def test_a_missing_figure_leaves_the_claim_open_unless_another_fails() -> None:
    good, bad = Effect(0.3, 0.0001, 4.0, 5), Effect(1.2, 0.0001, 4.0, 5)
    assert judge_claim(good, good, None).holds is None
    assert judge_claim(good, bad, None).holds is False
    one_seed = Effect(0.3, None, 1.0, 1)
    assert judge_claim(one_seed, good, good).moves is None
