"""Cones after drops of the learning rate, on kernels that turn anew at one."""

import numpy as np
import pytest
from synthetic import turning_kernels

from conebench.analysis.distance import lagged_distances
from conebench.analysis.stretches import Stretch, measure_stretches

STEPS = np.arange(0, 1001, 25)
DROP = 600


def after_a_drop(turn_deg: float, noise: float = 0.05) -> np.ndarray:
    """A cone of half-angle arctan(0.1) to the drop, then a turn to a cone of arctan(noise)."""
    before = turning_kernels(STEPS[STEPS <= DROP], settle=200, turn_deg=60, noise=0.1, seed=0)
    later = STEPS[STEPS > DROP] - DROP
    turn = np.radians(turn_deg) * np.minimum(later / 100, 1.0)
    start, ahead, sideways = np.eye(before.shape[1])[:3]
    axis = np.cos(np.radians(60)) * start + np.sin(np.radians(60)) * ahead
    path = np.cos(turn)[:, None] * axis + np.sin(turn)[:, None] * sideways
    jitter = np.random.default_rng(1).normal(size=path.shape)
    jitter[:, :3] = 0
    jitter /= np.linalg.norm(jitter, axis=1, keepdims=True)
    after = path + noise * jitter
    return np.concatenate([before, after / np.linalg.norm(after, axis=1, keepdims=True)])


def measured(h: np.ndarray, stretches: list[tuple[int, int]], T_star: int = 200) -> list[Stretch]:
    return measure_stretches(h @ h.T, STEPS, 25, stretches, T_star)


@pytest.mark.parametrize("turn_deg", [40.0, 60.0])
@pytest.mark.parametrize("noise", [0.03, 0.05])
def test_the_cone_after_a_drop(turn_deg: float, noise: float) -> None:
    (found,) = measured(after_a_drop(turn_deg, noise), [(0, DROP), (DROP, 1000)])
    assert (found.start, found.end) == (DROP, 1000)
    assert found.settled == pytest.approx(700, abs=25)
    assert found.half_angle_deg == pytest.approx(np.degrees(np.arctan(noise)), rel=0.15)
    assert found.axis_turn_deg == pytest.approx(turn_deg, abs=1)
    assert found.floor == pytest.approx(noise**2 / (1 + noise**2), rel=0.2)


def test_by_hand_from_the_vectors() -> None:
    h = after_a_drop(30)
    inside, phase2 = h[STEPS > 900], h[(STEPS >= 200) & (STEPS <= DROP)]
    axis, before = inside.mean(axis=0), phase2.mean(axis=0)
    cosines = inside @ axis / np.linalg.norm(axis)
    between = before @ axis / np.linalg.norm(axis) / np.linalg.norm(before)
    found = measured(h, [(0, DROP), (DROP, 900), (900, 1000)])[1]
    assert found.settled is None
    assert found.half_angle_deg == pytest.approx(np.degrees(np.arccos(cosines.min())))
    assert found.axis_turn_deg == pytest.approx(np.degrees(np.arccos(between)))
    assert found.floor == pytest.approx(np.median(lagged_distances(inside @ inside.T, 1)[1:]))


@pytest.mark.parametrize(("last", "count"), [(951, 1), (976, 0), (1000, 0)])
def test_a_stretch_needs_two_checkpoints_after_its_first_step(last: int, count: int) -> None:
    assert len(measured(after_a_drop(30), [(0, last), (last, 1000)])) == count


def test_without_a_drop_there_is_none() -> None:
    assert measured(after_a_drop(30), [(0, 1000)]) == []
