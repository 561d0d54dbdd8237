"""Intervals over seeds, against the enumeration of all resamples."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from conebench.analysis.intervals import Estimate, bootstrap, mean_estimate, t_quantile


def ratio(means: np.ndarray) -> np.ndarray:
    return means[:, 0] / means[:, 1]


@pytest.mark.parametrize("seeds", [2, 3, 4, 5])
def test_few_seeds_are_enumerated(seeds: int) -> None:
    table = np.random.default_rng(seeds).uniform(0.5, 1, size=(seeds, 2))
    values = []
    for rows in itertools.product(range(seeds), repeat=seeds):
        drawn = [table[row] for row in rows]
        values.append(sum(a for a, _ in drawn) / sum(b for _, b in drawn))
    reach = stats.t.ppf(0.975, seeds - 1) * np.sqrt(seeds / (seeds - 1)) * np.std(values)
    estimate = bootstrap(table, ratio)
    value = table[:, 0].sum() / table[:, 1].sum()
    assert estimate.value == pytest.approx(value, rel=1e-12)
    assert (estimate.low, estimate.high) == pytest.approx((value - reach, value + reach), rel=1e-4)
    assert estimate.seeds == seeds


@pytest.mark.parametrize("seeds", [2, 3, 4, 5])
def test_the_interval_of_a_mean_is_students(seeds: int) -> None:
    values = np.random.default_rng(seeds).normal(size=seeds)
    estimate = mean_estimate(values)
    student = stats.t.interval(0.95, seeds - 1, values.mean(), stats.sem(values))
    assert (estimate.low, estimate.high) == pytest.approx(student, rel=1e-4)


# A printed table of the 97.5 % quantiles of Student's t: scipy's own would be no second opinion.
TABLE = [
    *[(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (5, 2.5706), (6, 2.4469)],
    *[(7, 2.3646), (8, 2.3060), (9, 2.2622), (10, 2.2281), (15, 2.1314), (20, 2.0860)],
    *[(30, 2.0423), (60, 2.0003), (120, 1.9799)],
]


@pytest.mark.parametrize(("freedom", "quantile"), TABLE)
def test_quantiles_of_students_t(freedom: int, quantile: float) -> None:
    assert t_quantile(freedom) == quantile


def test_many_seeds_come_near_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(size=400)
    estimate = mean_estimate(values)
    half_width = stats.t.ppf(0.975, 399) * stats.sem(values)
    assert estimate.low == pytest.approx(values.mean() - half_width, abs=0.05 * half_width)
    assert estimate.high == pytest.approx(values.mean() + half_width, abs=0.05 * half_width)


def test_many_seeds_give_the_same_interval_each_time() -> None:
    values = np.random.default_rng(1).normal(size=8)
    assert mean_estimate(values) == mean_estimate(values)


def test_one_seed_has_no_interval() -> None:
    assert mean_estimate(np.array([0.25])) == Estimate(0.25, None, None, 1)


def test_equal_seeds_have_no_width() -> None:
    assert mean_estimate(np.array([0.25, 0.25, 0.25])) == Estimate(0.25, 0.25, 0.25, 3)


def test_an_interval_ends_at_its_bounds() -> None:
    estimate = mean_estimate(np.array([0.9, 1.0]), (0.0, 1.0))
    assert estimate.low == pytest.approx(0.95 - 12.7062 * 0.05)
    assert estimate.high == 1.0


def test_undefined_resamples_are_left_out() -> None:
    table = np.array([[1.0, 1.0], [3.0, -1.0], [2.0, 2.0]])

    def defined(means: np.ndarray) -> np.ndarray:
        return np.where(means[:, 1] > 0, means[:, 0], np.nan)

    kept = [
        np.mean([table[r, 0] for r in rows])
        for rows in itertools.product(range(3), repeat=3)
        if sum(table[r, 1] for r in rows) > 0
    ]
    estimate = bootstrap(table, defined)
    assert len(kept) < 27
    reach = stats.t.ppf(0.975, 2) * np.sqrt(3 / 2) * np.std(kept)
    assert (estimate.low, estimate.high) == pytest.approx((2 - reach, 2 + reach), abs=1e-4)


def test_a_statistic_that_is_never_defined_has_no_interval() -> None:
    estimate = bootstrap(np.ones((3, 1)), lambda means: np.full(len(means), np.nan))
    assert (estimate.low, estimate.high, estimate.seeds) == (None, None, 3)


@given(arrays(np.float64, st.integers(2, 5), elements=st.floats(-1e3, 1e3)))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_interval_holds_the_value(values: np.ndarray) -> None:
    estimate = mean_estimate(values, (-1e3, 1e3))
    assert estimate.low is not None
    assert estimate.high is not None
    tolerance = 1e-9 * (1 + np.abs(values).max())
    assert -1e3 <= estimate.low <= estimate.value + tolerance
    assert estimate.value - tolerance <= estimate.high <= 1e3


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_of_normal_seeds_95_percent_of_intervals_hold_the_mean(seeds: int) -> None:
    rng = np.random.default_rng(0)
    found = [mean_estimate(values) for values in rng.normal(size=(1500, seeds))]
    inside = sum(e.low <= 0 <= e.high for e in found if e.low is not None and e.high is not None)
    assert inside / 1500 == pytest.approx(0.95, abs=0.02)
