"""Differences between arms by hand, and their intervals against loops and scipy."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from conebench.analysis.accuracy import (
    Finding,
    benefit,
    kernel_benefit,
    lazy_gap,
    loss_benefit,
    share_of_lazy_gap,
    two_level_mean,
)


def arm(*seeds: str) -> list[np.ndarray]:
    """Return an arm from one string of 0 and 1 per seed."""
    return [np.array([int(right) for right in images], dtype=np.float64) for images in seeds]


FULL = arm("11111110", "11111101")
SWITCHED = arm("11111100", "11110101")
PROBE = arm("11110000", "11110001")
LAZY = arm("11100000", "11000001")


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        (benefit(FULL, SWITCHED), 2 / 16),
        (kernel_benefit(SWITCHED, PROBE), 3 / 16),
        (lazy_gap(FULL, LAZY), 8 / 16),
        (share_of_lazy_gap(FULL, SWITCHED, FULL, LAZY), 2 / 8),
        (share_of_lazy_gap(SWITCHED, FULL, FULL, LAZY), -2 / 8),
    ],
)
def test_by_hand(figure: Finding, value: float) -> None:
    assert figure.undefined is None
    assert figure.estimate is not None
    assert figure.estimate.value == pytest.approx(value)
    assert figure.estimate.seeds == 2


@pytest.mark.parametrize("figure", [benefit, kernel_benefit, lazy_gap])
def test_a_difference_of_accuracies_stays_between_minus_1_and_1(
    figure: Callable[..., Finding],
) -> None:
    better, worse = arm("1111", "1100"), arm("0000", "1100")
    for first, second, value in ((better, worse, 0.5), (worse, better, -0.5)):
        estimate = figure(first, second).estimate
        assert estimate is not None
        # Two seeds that differ: Student's t is 12.7.
        assert (estimate.value, estimate.low, estimate.high) == (value, -1, 1)
        interval = two_level_mean(np.array(first) - np.array(second))
        assert interval.low < -1 < 1 < interval.high


def test_a_loss_may_differ_by_any_number() -> None:
    losses = [[np.array([loss]) for loss in pair] for pair in ((1.0, 9.0), (5.0, 1.0))]
    estimate = loss_benefit(*losses).estimate
    assert estimate is not None
    assert estimate.low < -1 < 1 < estimate.high


def test_a_lower_loss_is_a_benefit() -> None:
    control, switched = [np.array([0.5]), np.array([0.6])], [np.array([0.8]), np.array([0.7])]
    estimate = loss_benefit(control, switched).estimate
    assert estimate is not None
    assert estimate.value == pytest.approx(0.2)


def cells(seeds: int, images: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=(seeds, 1)) + 2 * rng.normal(size=images)
    return (rng.random((seeds, images)) < 1 / (1 + np.exp(-odds))).astype(np.float64)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_values_of_whole_seeds_have_students_interval(seeds: int) -> None:
    values = np.random.default_rng(seeds).normal(size=seeds)
    estimate = two_level_mean(values[:, None])
    student = stats.t.interval(0.95, seeds - 1, values.mean(), stats.sem(values))
    assert (estimate.low, estimate.high) == pytest.approx(student)


@pytest.mark.parametrize("seeds", [2, 3, 5, 12])
@pytest.mark.parametrize("images", [4, 7, 300])
def test_the_interval_by_its_definition(seeds: int, images: int) -> None:
    z = cells(seeds, images)
    rows = [sum(z[s]) / images for s in range(seeds)]
    columns = [sum(z[:, i]) / seeds for i in range(images)]
    of_seeds, of_images = stats.sem(rows) ** 2, stats.sem(columns) ** 2
    squares = [
        (z[s, i] - rows[s] - columns[i] + z.mean()) ** 2
        for s in range(seeds)
        for i in range(images)
    ]
    rest = sum(squares) / ((seeds - 1) * (images - 1)) / (seeds * images)
    V = max(of_seeds + of_images - rest, of_seeds, of_images)
    freedom = max(1, V**2 / (of_seeds**2 / (seeds - 1) + of_images**2 / (images - 1)))
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(V)
    estimate = two_level_mean(z)
    assert estimate.high is not None
    assert estimate.value == pytest.approx(z.mean())
    assert estimate.high - estimate.value == pytest.approx(reach)


def test_a_bootstrap_of_both_levels_counts_the_rest_three_times() -> None:
    """Owen's expectation of its variance, from the same three parts."""
    z = cells(20, 60)
    rng = np.random.default_rng(1)
    rows = rng.multinomial(20, np.full(20, 1 / 20), size=20_000) / 20
    columns = rng.multinomial(60, np.full(60, 1 / 60), size=20_000) / 60
    drawn = ((rows @ z) * columns).sum(axis=1)
    of_seeds, of_images = z.mean(axis=1).var(ddof=1) / 20, z.mean(axis=0).var(ddof=1) / 60
    rest = z - z.mean(axis=1, keepdims=True) - z.mean(axis=0) + z.mean()
    of_rest = (rest**2).sum() / (19 * 59) / (20 * 60)
    expected = of_seeds * 19 / 20 + of_images * 59 / 60 + of_rest * (19 / 20) * (59 / 60)
    assert drawn.var() == pytest.approx(expected, rel=0.05)


def test_the_interval_of_Gamma_is_that_of_a_linear_figure_at_its_value() -> None:
    """B - Gamma * gap, at the value of Gamma, has mean 0 and the same spread times the gap."""
    full, switched, lazy = (np.stack(a) for a in (FULL, SWITCHED, LAZY))
    share, gap = 2 / 8, 0.5
    linear = two_level_mean((full - switched) - share * (full - lazy))
    found = share_of_lazy_gap(FULL, SWITCHED, FULL, LAZY).estimate
    assert found is not None
    assert found.high is not None
    assert linear.high is not None
    assert linear.value == pytest.approx(0)
    assert found.high - found.value == pytest.approx(linear.high / gap)


def test_seeds_that_agree_differ_by_their_images_alone() -> None:
    images = np.array([1.0, 0, 1, 1, 0, 1, 1, 1] * 40)
    estimate = two_level_mean(np.stack([images] * 5))
    low, high = stats.t.interval(0.95, 319, images.mean(), stats.sem(images))
    assert (estimate.low, estimate.high) == pytest.approx((low, high))


def test_equal_arms_have_a_difference_of_exactly_0() -> None:
    estimate = benefit(FULL, FULL).estimate
    assert estimate is not None
    assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)


def test_one_seed_has_values_without_intervals() -> None:
    for finding in (benefit(FULL[:1], SWITCHED[:1]), lazy_gap(FULL[:1], LAZY[:1])):
        assert finding.estimate is not None
        assert (finding.estimate.low, finding.estimate.high) == (None, None)
    assert share_of_lazy_gap(FULL[:1], SWITCHED[:1], FULL[:1], LAZY[:1]).estimate is not None


LOST = [None, LAZY[1]]


@pytest.mark.parametrize(
    "figure",
    [
        lambda: benefit(FULL, LOST),
        lambda: loss_benefit(LOST, FULL),
        lambda: kernel_benefit(LOST, PROBE),
        lambda: lazy_gap(FULL, LOST),
        lambda: share_of_lazy_gap(FULL, SWITCHED, FULL, LOST),
        lambda: share_of_lazy_gap(LOST, SWITCHED, LOST, LAZY),
    ],
)
def test_a_lost_arm_is_not_averaged_away(figure: Callable[[], Finding]) -> None:
    assert figure() == Finding(None, "an arm has no accuracy in 1 of 2 seeds")


@pytest.mark.parametrize("lazy", [FULL, SWITCHED, arm("11111111", "11111111")])
def test_Gamma_needs_a_lazy_gap(lazy: list[np.ndarray]) -> None:
    found = share_of_lazy_gap(FULL, SWITCHED, FULL, lazy)
    assert found == Finding(None, "the lazy gap is not significantly above 0")


def test_arms_of_different_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got arms of \[2\] seeds and \[1, 8\] test images"):
        benefit(FULL, arm("1", "1"))


def test_arms_of_different_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got arms of \[2, 3\] seeds and \[8\] test images"):
        benefit([*FULL, FULL[0]], SWITCHED)


RIGHT = arrays(
    np.float64, st.tuples(st.integers(2, 6), st.integers(1, 30)), elements=st.floats(0, 1)
)


@given(RIGHT)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_intervals_hold_their_value(z: np.ndarray) -> None:
    estimate = two_level_mean(z)
    assert estimate.low is not None
    assert estimate.high is not None
    assert np.isfinite([estimate.low, estimate.high]).all()
    assert estimate.low <= estimate.value <= estimate.high
    assert 0 <= estimate.value <= 1 + 1e-12


@given(RIGHT, st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_the_order_of_seeds_and_images_does_not_matter(z: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mixed = z[rng.permutation(len(z))][:, rng.permutation(z.shape[1])]
    known, found = two_level_mean(z), two_level_mean(mixed)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=1e-9)
