"""Both estimators of T*, on trajectories whose boundary is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from synthetic import turning_kernels

from conebench.analysis.phases import (
    Phases,
    change_point,
    find_phases,
    rolling_median,
    settling_step,
)

NO_STRETCH = Phases("no constant learning rate", None, None, None, estimators_disagree=False)


def from_distances(S: np.ndarray) -> np.ndarray:
    """G of vectors on a great circle whose neighbors are S apart."""
    angles = np.concatenate([[0], np.cumsum(np.arccos(1 - S))])
    return np.cos(angles[:, None] - angles)


def settle(S: list[float], every: int = 10) -> tuple[int | None, float]:
    values = np.array(S, dtype=np.float64)
    return settling_step(values, every * np.arange(len(values)))


FAST, SLOW = 0.3, 0.02
SETTLING = {
    "no Phase I": ([SLOW] * 12, 0),
    "step": ([FAST] * 4 + [SLOW] * 12, 40),
    "step at the middle": ([FAST] * 8 + [SLOW] * 8, 80),
    "twice the floor is settled": ([2 * SLOW] * 4 + [SLOW] * 12, 0),
    "above twice the floor is not": ([2.001 * SLOW] * 4 + [SLOW] * 12, 40),
    "one late bump": ([FAST] * 4 + [SLOW] * 6 + [1.0] + [SLOW] * 5, 40),
    "two late bumps in a row": ([FAST] * 4 + [SLOW] * 6 + [1.0] * 2 + [SLOW] * 4, 40),
    "one slow interval in Phase I": ([FAST] * 2 + [SLOW] + [FAST] * 3 + [SLOW] * 12, 60),
    "a last fast stretch before the middle": (
        [FAST] * 2 + [SLOW] * 3 + [FAST] * 3 + [SLOW] * 10,
        80,
    ),
    "one fast interval is a bump, at the start too": ([FAST] + [SLOW] * 11, 0),
    "frozen": ([FAST] * 4 + [0.0] * 12, 40),
    "never moved": ([0.0] * 12, 0),
}


@pytest.mark.parametrize(("S", "T_star"), SETTLING.values(), ids=SETTLING)
def test_settling_step(S: list[float], T_star: int) -> None:
    assert settle(S) == (T_star, S[-1])


UNSETTLED = {
    "faster and faster": list(np.geomspace(0.001, 0.9, 16)),
    "slower and slower": list(np.geomspace(0.9, 0.001, 16)),
    "settles after the middle": [FAST] * 11 + [SLOW] * 9,
    "fast again at the end": [FAST] * 4 + [SLOW] * 12 + [FAST] * 4,
}


@pytest.mark.parametrize("S", UNSETTLED.values(), ids=UNSETTLED)
def test_no_settling(S: list[float]) -> None:
    T_star, floor = settle(S)
    assert T_star is None
    assert floor > 0


def test_rolling_median_by_hand() -> None:
    values = np.array([9.0, 1, 5, 2, 8, 3])
    np.testing.assert_array_equal(rolling_median(values), [5, 3.5, 5, 3, 4, 3])


@given(arrays(np.float64, st.integers(8, 30), elements=st.floats(0, 1)))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_settling_step_is_what_the_definition_says(S: np.ndarray) -> None:
    smooth = rolling_median(S)
    half = len(S) // 2
    floor = np.median(smooth[half:])
    settled = [i for i in range(half + 1) if all(value <= 2 * floor for value in smooth[i:])]
    assert settling_step(S, np.arange(len(S))) == (min(settled, default=None), floor)


@given(arrays(np.float64, 16, elements=st.floats(1e-3, 1)), st.floats(1e-3, 1e3))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_settling_step_does_not_know_the_scale(S: np.ndarray, scale: float) -> None:
    # Off the edge of the rule, where rounding decides.
    smooth = rolling_median(S)
    if np.abs(smooth / np.median(smooth[8:]) - 2).min() > 1e-9:
        assert settling_step(scale * S, np.arange(16))[0] == settling_step(S, np.arange(16))[0]


def scatter(h: np.ndarray, weights: np.ndarray) -> float:
    mean = np.average(h, axis=0, weights=weights)
    return float((weights * ((h - mean) ** 2).sum(axis=1)).sum())


def brute_change_point(h: np.ndarray, steps: np.ndarray) -> int:
    before = np.concatenate([[0], np.diff(steps)])
    after = np.concatenate([np.diff(steps), [0]])
    w = (before + after) / 2
    costs = [scatter(h[:k], w[:k]) + scatter(h[k:], w[k:]) for k in range(1, len(h))]
    return int(steps[1 + int(np.argmin(costs))])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("spacing", ["uniform", "with extra checkpoints", "random"])
def test_change_point_is_the_best_of_all_splits(seed: int, spacing: str) -> None:
    rng = np.random.default_rng(seed)
    steps = {
        "uniform": np.arange(0, 200, 10),
        "with extra checkpoints": np.unique([1, 2, 3, 5, 25, *range(0, 200, 10)]),
        "random": np.sort(rng.choice(1000, size=20, replace=False)),
    }[spacing]
    h = np.cumsum(rng.normal(size=(len(steps), 30)), axis=0) + rng.normal(size=30)
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    assert change_point(h @ h.T, steps) == brute_change_point(h, steps)


@pytest.mark.parametrize("split", [1, 7, 15, 19])
def test_change_point_of_two_clusters(split: int) -> None:
    h = np.repeat(np.eye(2), [split, 20 - split], axis=0)
    assert change_point(h @ h.T, 5 * np.arange(20)) == 5 * split


STEPS = np.arange(0, 1001, 50)
WHOLE = (0, 1000)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [0.05, 0.1])
def test_known_boundary(seed: int, noise: float) -> None:
    h = turning_kernels(STEPS, settle=200, turn_deg=60, noise=noise, seed=seed)
    phases = find_phases(h @ h.T, STEPS, 50, WHOLE)
    assert phases.outcome == "two phases"
    assert phases.T_star is not None
    assert abs(phases.T_star - 200) <= 100
    # Two independent jitters are 90 degrees apart: S = noise^2 / (1 + noise^2).
    assert phases.floor == pytest.approx(noise**2 / (1 + noise**2), rel=0.15)
    assert phases.change_point is not None
    assert 0 < phases.change_point <= 200


def test_extra_checkpoints_do_not_move_T_star() -> None:
    dense = np.unique([5, 10, 20, 120, 130, 510, *STEPS])
    h = turning_kernels(dense, settle=200, turn_deg=60, noise=0.1, seed=0)
    uniform = np.isin(dense, STEPS)
    # One product for both: BLAS gives a smaller one other last digits.
    G = h @ h.T
    with_extra = find_phases(G, dense, 50, WHOLE)
    without = find_phases(G[np.ix_(uniform, uniform)], STEPS, 50, WHOLE)
    assert (with_extra.T_star, with_extra.floor) == (without.T_star, without.floor)


def test_standing_still_is_Phase_II_from_the_start() -> None:
    phases = find_phases(np.ones((21, 21)), STEPS, 50, WHOLE)
    assert (phases.outcome, phases.T_star, phases.floor) == ("two phases", 0, 0)


def test_a_constant_speed_is_Phase_II_from_the_start() -> None:
    phases = find_phases(from_distances(np.full(20, 0.001)), STEPS, 50, WHOLE)
    assert phases.T_star == 0
    # The best split of a straight path is its middle: the estimators disagree.
    assert phases.change_point in (500, 550)
    assert phases.estimators_disagree


def test_never_settling_is_no_Phase_II() -> None:
    S = np.geomspace(1e-1, 1e-5, 20)
    phases = find_phases(from_distances(S), STEPS, 50, WHOLE)
    assert (phases.outcome, phases.T_star, phases.estimators_disagree) == (
        "no Phase II",
        None,
        False,
    )
    assert phases.floor == pytest.approx(np.median(rolling_median(S)[10:]), rel=1e-6)
    assert phases.change_point in STEPS


@pytest.mark.parametrize("stretch", [None, (0, 399), (600, 999), (0, 0), (2000, 3000)])
def test_too_short_a_stretch(stretch: tuple[int, int] | None) -> None:
    assert find_phases(np.ones((21, 21)), STEPS, 50, stretch) == NO_STRETCH


@pytest.mark.parametrize("stretch", [(0, 400), (600, 1000), (590, 1000), (0, 449)])
def test_eight_intervals_are_enough(stretch: tuple[int, int]) -> None:
    assert find_phases(np.ones((21, 21)), STEPS, 50, stretch).outcome == "two phases"


def test_only_the_first_constant_stretch_counts() -> None:
    before = turning_kernels(STEPS[:11], settle=100, turn_deg=60, noise=0.1, seed=0)
    after = turning_kernels(STEPS[11:], settle=900, turn_deg=90, noise=0.6, seed=1)
    h = np.concatenate([before, after])
    phases = find_phases(h @ h.T, STEPS, 50, (0, 500))
    assert phases == find_phases(before @ before.T, STEPS[:11], 50, (0, 500))
    assert phases != find_phases(h @ h.T, STEPS, 50, WHOLE)


def test_warm_up_is_not_looked_at() -> None:
    S = np.array([0.3] * 4 + [0.02] * 16)
    phases = find_phases(from_distances(S), STEPS, 50, (200, 1000))
    assert phases.T_star == 200


@pytest.mark.parametrize(("fast", "disagree"), [(3, True), (4, True), (5, False), (9, False)])
def test_estimators_disagree_beyond_a_factor_of_two(fast: int, *, disagree: bool) -> None:
    """T* = 50 fast by speed; the change-point of a straight path, near its middle, by place."""
    S = np.array([2.5e-4] * fast + [1e-4] * (20 - fast))
    phases = find_phases(from_distances(S), STEPS, 50, WHOLE)
    assert phases.T_star == 50 * fast
    assert phases.change_point is not None
    ratio = phases.change_point / phases.T_star
    assert phases.estimators_disagree == disagree == (ratio > 2)
