"""Two estimators of T*, the end of Phase I (docs/method.md, Two phases).

Both differ from their first versions, which failed on trajectories whose answer is known: see
"How well these are found" in docs/method.md.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Int

from conebench.analysis.distance import (
    ROUNDING,
    FloatArray,
    IntArray,
    lagged_distances,
    says,
    uniform_part,
)

FLOOR_FACTOR = 2.0
# S ~ 1/t, without any floor, drifts by about 2 between the outer quarters of Phase II.
DRIFT_FACTOR = 3.0
MIN_INTERVALS = 8
DISAGREEMENT_FACTOR = 2.0
# S is a square of an angle: a Phase II that reaches over less than a hundredth of the turn.
FROZEN_SHARE = 1e-4
# Quarters of fewer intervals say nothing of a drift; a drift shows in so many pairs of intervals.
SMALLEST_QUARTER, PAIRS_SHARE = 4, 0.8

PhaseOutcome = Literal[
    "two phases", "frozen", "no Phase I", "no Phase II", "no constant learning rate"
]


@dataclass(frozen=True)
class Phases:
    """Where Phase I ends, by two estimators, in steps.

    `floor` is the height of S between neighboring checkpoints of the uniform grid (`every`
    steps apart) in Phase II: the kernel still moves there. `drift` is its median in the last
    quarter of Phase II over that in the first: 1 for a level floor, below for one that still
    sinks; None where Phase II has fewer than 16 intervals or is at rest.
    """

    outcome: PhaseOutcome = field(metadata=says("What became of the two phases."))
    T_star: int | None = field(metadata=says("First step of Phase II; null without one."))
    floor: float | None = field(
        metadata=says("Median S over `every` steps, late in the stretch: it still moves.")
    )
    change_point: int | None = field(metadata=says("The second estimator of T*, in steps."))
    estimators_disagree: bool = field(
        metadata=says("Whether the two differ by more than a factor of 2.")
    )
    drift: float | None = field(
        default=None,
        metadata=says("Median S late in Phase II over that early; null: too short."),
    )

    later: ClassVar[frozenset[str]] = frozenset({"drift"})


def find_phases(
    G: Float[FloatArray, "t t"],
    steps: Int[IntArray, " t"],
    every: int,
    stretch: tuple[int, int] | None,
) -> Phases:
    """Both estimators on the constant-learning-rate `stretch` (first and last step).

    Outcomes: "no constant learning rate" where the stretch is missing or has fewer than 8 intervals
    of the uniform grid; "no Phase II" where S between neighbors settles after the middle of
    the stretch, or drifts by more than a factor of 3 after it settled; "frozen" where no two
    kernels of Phase II are farther apart than 1 % of the way from step 0 to the last, in angle;
    "no Phase I" where T* is step 0; else "two phases".
    """
    start, end = stretch or (0, 0)
    uniform = uniform_part(steps, every)
    uniform = uniform[(steps[uniform] >= start) & (steps[uniform] <= end)]
    if len(uniform) <= MIN_INTERVALS:
        return Phases("no constant learning rate", None, None, None, estimators_disagree=False)
    on_stretch = np.flatnonzero((steps >= start) & (steps <= end))
    change = change_point(G[np.ix_(on_stretch, on_stretch)], steps[on_stretch])
    on_grid = G[np.ix_(uniform, uniform)]
    S = lagged_distances(on_grid, 1)
    split, floor = settling_interval(S)
    quarters = _outer_quarters(S[split:])
    drift = None if quarters is None else _drift(*quarters)
    drifts = quarters is not None and _is_beyond_noise(*quarters)
    if split > len(S) // 2 or drifts:
        return Phases("no Phase II", None, floor, change, estimators_disagree=False, drift=drift)
    T_star = int(steps[uniform[split]])
    low, high = sorted(max(step - start, every) for step in (T_star, change))
    reach = 1 - on_grid[split:, split:].min()
    frozen = reach <= max(FROZEN_SHARE * (1 - G[0, uniform[-1]]), ROUNDING)
    outcome: PhaseOutcome = "frozen" if frozen else "two phases" if T_star else "no Phase I"
    return Phases(outcome, T_star, floor, change, high > DISAGREEMENT_FACTOR * low, drift)


def settling_interval(S: Float[FloatArray, " u"]) -> tuple[int, float]:
    """The velocity-floor estimator: the first interval of Phase II, and the floor.

    `S` holds the distances over u equal intervals. Floor = their median over the last half. An
    interval is fast where S > 2 x floor. Phase II begins at the split with the fewest intervals on
    the wrong side: slow ones before it, fast ones from it on; the earliest of equals. One fast
    interval at the start is a Phase I thereby, and a late bump none.
    """
    floor = floor_of(S)
    fast = np.where(max(FLOOR_FACTOR * floor, ROUNDING) < S, 1, -1)
    return int(np.argmax(np.concatenate([[0], np.cumsum(fast)]))), floor


def floor_of(S: Float[FloatArray, " u"]) -> float:
    """Median of the last half of the distances over equal intervals."""
    return float(np.median(S[len(S) // 2 :]))


def _outer_quarters(S: Float[FloatArray, " u"]) -> tuple[FloatArray, FloatArray] | None:
    """First and last quarter; None where they are short or both at rest."""
    quarter = len(S) // 4
    if quarter < SMALLEST_QUARTER:
        return None
    first, last = S[:quarter], S[-quarter:]
    at_rest = max(np.median(first), np.median(last)) <= ROUNDING
    return None if at_rest else (first, last)


def _drift(first: Float[FloatArray, " u"], last: Float[FloatArray, " u"]) -> float:
    """Median of the last quarter over that of the first."""
    return float(np.median(last) / max(np.median(first), ROUNDING))


def _is_beyond_noise(first: Float[FloatArray, " u"], last: Float[FloatArray, " u"]) -> bool:
    """Whether S drifts by more than a factor of 3, and four in five pairs show which way.

    A pair is one interval of the first quarter and one of the last.
    """
    if 1 / DRIFT_FACTOR <= _drift(first, last) <= DRIFT_FACTOR:
        return False
    sinking = float(np.mean(last[None, :] < first[:, None]))
    return max(sinking, 1 - sinking) >= PAIRS_SHARE


def change_point(G: Float[FloatArray, "t t"], steps: Int[IntArray, " t"]) -> int:
    """The split at which two straight, steady paths fit the unit kernels best, as a step.

    Minimises the sum over both segments of sum_i w_i ||h_i - p - q t_i||^2, with p and q the
    best for each segment and w_i the time that checkpoint i stands for (half the way to each
    neighbor). A turn is no cluster: with constants in place of the paths, the split lies in the
    middle of Phase I. Returns the first step of the second segment.
    """
    weights = np.gradient(steps.astype(np.float64))
    weights[[0, -1]] /= 2

    def misfit(part: slice) -> float:
        return _misfit(G[part, part], weights[part], steps[part].astype(np.float64))

    splits = range(1, len(steps))
    return int(steps[min(splits, key=lambda k: misfit(slice(k)) + misfit(slice(k, None)))])


def _misfit(
    G: Float[FloatArray, "t t"], w: Float[FloatArray, " t"], times: Float[FloatArray, " t"]
) -> float:
    """Sum_i w_i ||h_i - p - q t_i||^2 with the best p and q, from G alone."""
    misfit = float(w @ np.diagonal(G))
    for regressor in (np.ones(len(w)), times - np.average(times, weights=w)):
        weighted = w * regressor
        length = float(weighted @ regressor)
        if length > 0:
            misfit -= float(weighted @ G @ weighted) / length
    return misfit
