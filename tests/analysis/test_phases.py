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
    settling_interval,
)

NO_STRETCH = Phases("no constant learning rate", None, None, None, estimators_disagree=False)


def from_distances(S: np.ndarray) -> np.ndarray:
    """G of vectors on a great circle whose neighbors are S apart."""
    angles = np.concatenate([[0], np.cumsum(np.arccos(1 - S))])
    return np.cos(angles[:, None] - angles)


def settle(S: list[float]) -> tuple[int, float]:
    return settling_interval(np.array(S, dtype=np.float64))


FAST, SLOW = 0.3, 0.02
SETTLING = {
    "no Phase I": ([SLOW] * 12, 0),
    "step": ([FAST] * 4 + [SLOW] * 12, 4),
    "step at the middle": ([FAST] * 8 + [SLOW] * 8, 8),
    "step after the middle": ([FAST] * 9 + [SLOW] * 11, 9),
    "twice the floor is settled": ([2 * SLOW] * 4 + [SLOW] * 12, 0),
    "above twice the floor is not": ([2.001 * SLOW] * 4 + [SLOW] * 12, 4),
    "one fast interval at the start": ([FAST] + [SLOW] * 11, 1),
    "one late bump": ([FAST] * 4 + [SLOW] * 6 + [1.0] + [SLOW] * 5, 4),
    "a long late bump": ([FAST] * 3 + [SLOW] * 6 + [1.0] * 5 + [SLOW] * 10, 3),
    "one slow interval in Phase I": ([FAST] * 2 + [SLOW] + [FAST] * 3 + [SLOW] * 12, 6),
    "as many slow ones as fast ones after them: the first": (
        [FAST] * 2 + [SLOW] * 3 + [FAST] * 3 + [SLOW] * 10,
        2,
    ),
    "a longer fast stretch after them": (
        [FAST] * 2 + [SLOW] * 3 + [FAST] * 4 + [SLOW] * 10,
        9,
    ),
    "fast again at the end": ([FAST] * 4 + [SLOW] * 12 + [FAST] * 4, 4),
    "frozen": ([FAST] * 4 + [0.0] * 12, 4),
    "frozen to rounding": ([FAST] * 4 + [0.0, 1e-12] * 6, 4),
    "never moved": ([0.0] * 12, 0),
}


@pytest.mark.parametrize(("S", "split"), SETTLING.values(), ids=SETTLING)
def test_settling_interval(S: list[float], split: int) -> None:
    assert settle(S) == (split, np.median(S[len(S) // 2 :]))


UNSETTLED = {
    "faster and faster": list(np.geomspace(0.001, 0.9, 16)),
    "slower and slower": list(np.geomspace(0.9, 0.001, 16)),
    "settles after the middle": [FAST] * 11 + [SLOW] * 9,
    "a floor that sinks by more than two thirds": [FAST] * 4 + [SLOW] * 12 + [0.3 * SLOW] * 12,
}


@pytest.mark.parametrize("S", UNSETTLED.values(), ids=UNSETTLED)
def test_no_settling_is_no_Phase_II(S: list[float]) -> None:
    steps = 50 * np.arange(len(S) + 1)
    phases = find_phases(from_distances(np.array(S) / 100), steps, 50, (0, int(steps[-1])))
    assert (phases.outcome, phases.T_star) == ("no Phase II", None)
    assert phases.estimators_disagree is False
    assert phases.floor is not None
    assert phases.change_point in steps


@given(arrays(np.float64, st.integers(8, 30), elements=st.floats(0, 1)))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_settling_interval_is_what_the_definition_says(S: np.ndarray) -> None:
    split, floor = settling_interval(S)
    assert floor == np.median(S[len(S) // 2 :])
    fast = [value > max(2 * floor, 1e-10) for value in S]
    wrong = [fast[:k].count(False) + fast[k:].count(True) for k in range(len(S) + 1)]
    assert split == wrong.index(min(wrong))


@given(arrays(np.float64, 16, elements=st.floats(1e-3, 1)), st.floats(1e-3, 1e3))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_settling_interval_does_not_know_the_scale(S: np.ndarray, scale: float) -> None:
    # Off the edge of the rule, where rounding decides.
    if np.abs(S / np.median(S[8:]) - 2).min() > 1e-9:
        assert settling_interval(scale * S)[0] == settling_interval(S)[0]


@pytest.mark.parametrize(("last", "drift"), [(SLOW, 1.0), (1.5 * SLOW, 1.5), (0.6 * SLOW, 0.6)])
def test_drift_of_the_floor(last: float, drift: float) -> None:
    S = np.array([FAST] * 4 + [SLOW] * 8 + [last] * 8) / 100
    phases = find_phases(from_distances(S), STEPS, 50, WHOLE)
    assert phases.T_star == 200
    assert phases.drift == pytest.approx(drift, rel=1e-4)


def path_misfit(h: np.ndarray, times: np.ndarray, weights: np.ndarray) -> float:
    """Weighted residual of the best straight, steady path, by least squares on the vectors."""
    design = np.stack([np.ones(len(h)), times], axis=1) * np.sqrt(weights)[:, None]
    target = h * np.sqrt(weights)[:, None]
    best = np.linalg.lstsq(design, target, rcond=None)[0]
    return float(((target - design @ best) ** 2).sum())


def brute_change_point(h: np.ndarray, steps: np.ndarray) -> int:
    before = np.concatenate([[0], np.diff(steps)])
    after = np.concatenate([np.diff(steps), [0]])
    w, t = (before + after) / 2, steps.astype(float)
    costs = [
        path_misfit(h[:k], t[:k], w[:k]) + path_misfit(h[k:], t[k:], w[k:])
        for k in range(1, len(h))
    ]
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


@pytest.mark.parametrize("split", [3, 7, 15, 17])
def test_change_point_of_two_clusters(split: int) -> None:
    h = np.repeat(np.eye(2), [split, 20 - split], axis=0)
    assert change_point(h @ h.T, 5 * np.arange(20)) == 5 * split


@pytest.mark.parametrize("corner", [4, 10, 16])
def test_change_point_of_a_path_with_a_corner(corner: int) -> None:
    turned = np.minimum(np.arange(21), corner)
    after = np.maximum(np.arange(21) - corner, 0)
    h = np.stack([np.full(21, 100.0), turned, 0.5 * after], axis=1)
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    assert abs(change_point(h @ h.T, 5 * np.arange(21)) - 5 * corner) <= 5


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
    assert phases.change_point == pytest.approx(200, abs=50)
    assert not phases.estimators_disagree


def test_extra_checkpoints_do_not_move_T_star() -> None:
    dense = np.unique([5, 10, 20, 120, 130, 510, *STEPS])
    h = turning_kernels(dense, settle=200, turn_deg=60, noise=0.1, seed=0)
    uniform = np.isin(dense, STEPS)
    # One product for both: BLAS gives a smaller one other last digits.
    G = h @ h.T
    with_extra = find_phases(G, dense, 50, WHOLE)
    without = find_phases(G[np.ix_(uniform, uniform)], STEPS, 50, WHOLE)
    assert (with_extra.T_star, with_extra.floor) == (without.T_star, without.floor)


def test_standing_still_is_frozen() -> None:
    phases = find_phases(np.ones((21, 21)), STEPS, 50, WHOLE)
    assert (phases.outcome, phases.T_star, phases.floor) == ("frozen", 0, 0)
    assert phases.drift is None


@pytest.mark.parametrize(("angle_deg", "outcome"), [(0.5, "frozen"), (0.7, "two phases")])
def test_frozen_is_a_hundredth_of_the_turn(angle_deg: float, outcome: str) -> None:
    """A turn by 60 degrees, then to and fro by a small angle."""
    angles = np.radians([0, 20, 40, *[60, 60 + angle_deg] * 9])
    phases = find_phases(np.cos(angles[:, None] - angles), STEPS, 50, WHOLE)
    assert (phases.outcome, phases.T_star) == (outcome, 150)


def test_a_constant_speed_has_no_Phase_I() -> None:
    phases = find_phases(from_distances(np.full(20, 0.001)), STEPS, 50, WHOLE)
    assert (phases.outcome, phases.T_star) == ("no Phase I", 0)


@pytest.mark.parametrize("stretch", [None, (0, 399), (600, 999), (0, 0), (2000, 3000)])
def test_too_short_a_stretch(stretch: tuple[int, int] | None) -> None:
    assert find_phases(np.ones((21, 21)), STEPS, 50, stretch) == NO_STRETCH


@pytest.mark.parametrize("stretch", [(0, 400), (600, 1000), (590, 1000), (0, 449)])
def test_eight_intervals_are_enough(stretch: tuple[int, int]) -> None:
    assert find_phases(np.ones((21, 21)), STEPS, 50, stretch).outcome == "frozen"


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


@pytest.mark.parametrize(("fast", "disagree"), [(3, True), (6, False)])
def test_estimators_disagree_beyond_a_factor_of_two(fast: int, *, disagree: bool) -> None:
    """Twice as fast on the first intervals, and a corner in the path after the eighth."""
    length = np.cumsum([0, *[2e-3] * fast, *[1e-3] * (20 - fast)])
    corner = length[8]
    h = np.stack([np.ones(21), np.minimum(length, corner), np.maximum(length - corner, 0)], axis=1)
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    phases = find_phases(h @ h.T, STEPS, 50, WHOLE)
    assert phases.T_star == 50 * fast
    assert phases.change_point == 400
    assert phases.estimators_disagree == disagree
