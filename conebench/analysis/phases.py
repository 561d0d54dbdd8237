"""Two estimators of T*, the end of Phase I (SCIENCE section 3)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from conebench.analysis.distance import FloatArray, IntArray, lagged_distances, uniform_part

MEDIAN_WINDOW = 5
FLOOR_FACTOR = 2.0
MIN_INTERVALS = 8
DISAGREEMENT_FACTOR = 2.0

PhaseOutcome = Literal["two phases", "no Phase II", "no constant learning rate"]


@dataclass(frozen=True)
class Phases:
    """Where Phase I ends, by two estimators, in steps.

    `floor` is the height of S between neighboring checkpoints of the uniform grid (`every`
    steps apart) in Phase II: the kernel still moves there.
    """

    outcome: PhaseOutcome
    T_star: int | None
    floor: float | None
    change_point: int | None
    estimators_disagree: bool


def find_phases(
    G: Float[FloatArray, "t t"],
    steps: Int[IntArray, " t"],
    every: int,
    stretch: tuple[int, int] | None,
) -> Phases:
    """Both estimators on the constant-learning-rate `stretch` (first and last step).

    Returns the outcome "no constant learning rate" where the stretch is missing or has fewer
    than 8 intervals of the uniform grid, "no Phase II" where the floor is not sustained.
    """
    start, end = stretch or (0, 0)
    uniform = uniform_part(steps, every)
    uniform = uniform[(steps[uniform] >= start) & (steps[uniform] <= end)]
    if len(uniform) <= MIN_INTERVALS:
        return Phases("no constant learning rate", None, None, None, estimators_disagree=False)
    on_stretch = np.flatnonzero((steps >= start) & (steps <= end))
    change = change_point(G[np.ix_(on_stretch, on_stretch)], steps[on_stretch])
    T_star, floor = settling_step(
        lagged_distances(G[np.ix_(uniform, uniform)], 1), steps[uniform][:-1]
    )
    if T_star is None:
        return Phases("no Phase II", None, floor, change, estimators_disagree=False)
    low, high = sorted((max(T_star, every), max(change, every)))
    return Phases("two phases", T_star, floor, change, high > DISAGREEMENT_FACTOR * low)


def settling_step(
    S: Float[FloatArray, " u"], starts: Int[IntArray, " u"]
) -> tuple[int | None, float]:
    """The velocity-floor estimator: T* and the floor.

    `S` holds the distances over equal intervals that start at the steps `starts`. Floor = median
    over the last half of their rolling median (window 5). T* = first start from which the rolling
    median stays <= 2 x floor. Not sustained, T* = None: it exceeds that within the last half,
    where the floor itself was read.
    """
    smooth = rolling_median(S)
    half = len(smooth) // 2
    floor = float(np.median(smooth[half:]))
    above = np.flatnonzero(smooth > FLOOR_FACTOR * floor)
    first = int(above[-1]) + 1 if len(above) else 0
    return (None if first > half else int(starts[first])), floor


def rolling_median(values: Float[FloatArray, " u"]) -> Float[FloatArray, " u"]:
    """Centred rolling median, window 5, cut off at both ends."""
    reach = MEDIAN_WINDOW // 2
    windows = [values[max(0, i - reach) : i + reach + 1] for i in range(len(values))]
    return np.array([np.median(window) for window in windows])


def change_point(G: Float[FloatArray, "t t"], steps: Int[IntArray, " t"]) -> int:
    """The split that minimises the within-segment scatter of the unit kernels, as a step.

    Scatter of a segment = sum_i w_i ||h_i - mean||^2 = W - (1/W) sum_ij w_i w_j G_ij with w_i the
    time that checkpoint i stands for (half the way to each neighbor), W their sum. Returns the
    first step of the second segment.
    """
    weights = np.gradient(steps.astype(np.float64))
    weights[[0, -1]] /= 2
    prefix = np.zeros((len(steps) + 1, len(steps) + 1))
    prefix[1:, 1:] = np.cumsum(np.cumsum(weights[:, None] * G * weights[None, :], 0), 1)
    time = np.concatenate([[0.0], np.cumsum(weights)])

    def scatter(a: int, b: int) -> float:
        total = time[b] - time[a]
        inner = prefix[b, b] - prefix[a, b] - prefix[b, a] + prefix[a, a]
        return float(total - inner / total)

    splits = range(1, len(steps))
    best = min(splits, key=lambda k: scatter(0, k) + scatter(k, len(steps)))
    return int(steps[best])
