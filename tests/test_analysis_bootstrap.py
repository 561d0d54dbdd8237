"""Intervals over seeds, against the enumeration of all resamples."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conebench.analysis.bootstrap import Estimate, bootstrap, mean_estimate


def ratio(means: np.ndarray) -> np.ndarray:
    return means[:, 0] / means[:, 1]


@pytest.mark.parametrize("seeds", [2, 3, 4, 5])
def test_few_seeds_are_enumerated(seeds: int) -> None:
    table = np.random.default_rng(seeds).uniform(0.5, 1, size=(seeds, 2))
    values = []
    for rows in itertools.product(range(seeds), repeat=seeds):
        drawn = [table[row] for row in rows]
        values.append(sum(a for a, _ in drawn) / sum(b for _, b in drawn))
    low, high = np.quantile(values, [0.025, 0.975])
    estimate = bootstrap(table, ratio)
    assert estimate.value == pytest.approx(table[:, 0].sum() / table[:, 1].sum(), rel=1e-12)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), rel=1e-12)
    assert estimate.seeds == seeds


def test_many_seeds_come_near_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(size=400)
    estimate = mean_estimate(values)
    half_width = 1.96 * values.std() / np.sqrt(400)
    assert estimate.low == pytest.approx(values.mean() - half_width, abs=0.05 * half_width)
    assert estimate.high == pytest.approx(values.mean() + half_width, abs=0.05 * half_width)


def test_many_seeds_give_the_same_interval_each_time() -> None:
    values = np.random.default_rng(1).normal(size=8)
    assert mean_estimate(values) == mean_estimate(values)


def test_one_seed_has_no_interval() -> None:
    assert mean_estimate(np.array([0.25])) == Estimate(0.25, None, None, 1)


def test_equal_seeds_have_no_width() -> None:
    assert mean_estimate(np.array([0.25, 0.25, 0.25])) == Estimate(0.25, 0.25, 0.25, 3)


def test_two_seeds_span_the_interval() -> None:
    # Of four resamples two are the extremes themselves.
    estimate = mean_estimate(np.array([1.0, 2.0]))
    np.testing.assert_allclose([estimate.low, estimate.high], [1.0375, 1.9625])


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
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.quantile(kept, [0.025, 0.975])))


def test_a_statistic_that_is_never_defined_has_no_interval() -> None:
    estimate = bootstrap(np.ones((3, 1)), lambda means: np.full(len(means), np.nan))
    assert (estimate.low, estimate.high, estimate.seeds) == (None, None, 3)


@given(arrays(np.float64, st.integers(2, 5), elements=st.floats(-1e3, 1e3)))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_interval_lies_among_the_values(values: np.ndarray) -> None:
    estimate = mean_estimate(values)
    assert estimate.low is not None
    assert estimate.high is not None
    tolerance = 1e-9 * (1 + np.abs(values).max())
    assert values.min() - tolerance <= estimate.low <= estimate.high <= values.max() + tolerance
    assert estimate.low - tolerance <= estimate.value <= estimate.high + tolerance


@pytest.mark.parametrize(("seeds", "coverage"), [(2, 0.50), (3, 0.67), (4, 0.81), (5, 0.84)])
def test_the_coverage_for_few_seeds_is_what_the_documentation_says(
    seeds: int, coverage: float
) -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for values in rng.normal(size=(1500, seeds)):
        found = mean_estimate(values)
        inside += found.low <= 0 <= found.high
    assert inside / 1500 == pytest.approx(coverage, abs=0.03)
