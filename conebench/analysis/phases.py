"""Two estimators of T*, the end of Phase I.

docs/method.md defines them in "T* and outcomes", and has their errors in "How well these are
found".
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
    uniform_part,
)
from conebench.analysis.meaning import says

FLOOR_FACTOR = 2.0
# S ~ 1/t, which has no floor, drifts by about 2 between the outer quarters of Phase II.
DRIFT_FACTOR = 3.0
MIN_INTERVALS = 8
DISAGREEMENT_FACTOR = 2.0
# S is quadratic in the angle: 1 % of the angle is 1e-4 of S.
FROZEN_SHARE = 1e-4
# Fewer intervals per quarter say nothing about a drift, which this share of their pairs must show.
SMALLEST_QUARTER, PAIRS_SHARE = 4, 0.8

PhaseOutcome = Literal[
    "two phases", "frozen", "no Phase I", "no Phase II", "no constant learning rate"
]


@dataclass(frozen=True)
class Phases:
    """End of Phase I by two estimators, in steps.

    `floor` is the height of S between neighboring checkpoints of the uniform grid (`every` steps
    apart) in Phase II, where the kernel still moves. `drift` is the median of S in the last quarter
    of Phase II over that in the first: 1 for a level floor, below 1 for one that still sinks; None
    if Phase II has fewer than 16 intervals or is at rest.
    """

    outcome: PhaseOutcome = field(metadata=says("The phases that were found."))
    T_star: int | None = field(metadata=says("First step of Phase II; null without one."))
    floor: float | None = field(
        metadata=says("Median S over `every` steps, late in the stretch: it still moves.")
    )
    change_point: int | None = field(metadata=says("The second estimator of T*, in steps."))
    estimators_disagree: bool = field(
        metadata=says("True if the two differ by more than a factor of 2.")
    )
    drift: float | None = field(
        default=None,
        metadata=says("Median S late in Phase II over that early; null: too short, or at rest."),
    )

    # Fields that records gained later.
    later: ClassVar[frozenset[str]] = frozenset({"drift"})


def find_phases(
    G: Float[FloatArray, "t t"],
    steps: Int[IntArray, " t"],
    every: int,
    stretch: tuple[int, int] | None,
) -> Phases:
    """Find the end of Phase I by both estimators.

    Args:
        G: Gram matrix of the unit kernels.
        steps: step of each checkpoint.
        every: distance of the uniform grid.
        stretch: first and last step of a constant learning rate, None without one.

    Returns:
        Both estimates, the floor, and the outcome: "no constant learning rate" if the stretch is
        missing or has fewer than 8 intervals of the uniform grid; "no Phase II" if S between
        neighbors settles after the middle of the stretch, or drifts by more than a factor of 3
        after it settled; "frozen" if no two kernels of Phase II are farther apart than 1 % of the
        angle between step 0 and the last; "no Phase I" if T* is step 0; else "two phases".

    Example:
        A kernel that rotates by 60 degrees in 200 steps, then fluctuates by 4 degrees.

        >>> steps = np.arange(0, 1001, 50)
        >>> angle = np.radians(np.where(steps < 200, 60 * steps / 200, 60 + 4 * np.sin(steps)))
        >>> h = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        >>> phases = find_phases(h @ h.T, steps, every=50, stretch=(0, 1000))
        >>> phases.outcome, phases.T_star, phases.change_point
        ('two phases', 200, 200)

    """
    # Without a stretch only step 0 remains, which is too few.
    start, end = stretch or (0, 0)
    uniform = uniform_part(steps, every)
    uniform = uniform[(steps[uniform] >= start) & (steps[uniform] <= end)]
    if len(uniform) <= MIN_INTERVALS:
        return Phases("no constant learning rate", None, None, None, estimators_disagree=False)
    # The change point uses all checkpoints, the floor those of the uniform grid.
    on_stretch = np.flatnonzero((steps >= start) & (steps <= end))
    change = change_point(G[np.ix_(on_stretch, on_stretch)], steps[on_stretch])
    on_grid = G[np.ix_(uniform, uniform)]  # [u, u]
    S = lagged_distances(on_grid, 1)  # [u - 1]
    split, floor = settling_interval(S)
    quarters = _outer_quarters(S[split:])
    drift = None if quarters is None else _drift(*quarters)
    drifts = quarters is not None and _is_beyond_noise(*quarters)
    # The floor is read in the last half, so it is none if the kernel settles within that half.
    if split > len(S) // 2 or drifts:
        return Phases("no Phase II", None, floor, change, estimators_disagree=False, drift=drift)
    T_star = int(steps[uniform[split]])
    # At least one interval, so that T* = 0 has a ratio to the other.
    low, high = sorted(max(step - start, every) for step in (T_star, change))
    # Largest S between two kernels of Phase II.
    reach = 1 - on_grid[split:, split:].min()
    frozen = reach <= max(FROZEN_SHARE * (1 - G[0, uniform[-1]]), ROUNDING)
    outcome: PhaseOutcome = "frozen" if frozen else "two phases" if T_star else "no Phase I"
    return Phases(outcome, T_star, floor, change, high > DISAGREEMENT_FACTOR * low, drift)


def settling_interval(S: Float[FloatArray, " u"]) -> tuple[int, float]:
    """Find the first interval of Phase II, and the floor.

    Floor = median of S over the last half. An interval is fast if S > 2 x floor. Phase II begins at
    the split k that maximizes (fast - slow intervals before k), the earliest of equals: the split
    with the fewest intervals on the wrong side. S are distances over equal intervals.

    Example:
        >>> settling_interval(np.array([0.5, 0.4, 0.1, 0.1, 0.3, 0.1, 0.1, 0.1]))
        (2, 0.1)

    """
    floor = floor_of(S)
    # Steps up for fast intervals and down for slow ones: one fast interval at the start is a
    # Phase I, and a late bump is none.
    fast = np.where(max(FLOOR_FACTOR * floor, ROUNDING) < S, 1, -1)  # [u]
    return int(np.argmax(np.concatenate([[0], np.cumsum(fast)]))), floor


def floor_of(S: Float[FloatArray, " u"]) -> float:
    """Return the median of the last half of distances."""
    return float(np.median(S[len(S) // 2 :]))


def _outer_quarters(S: Float[FloatArray, " u"]) -> tuple[FloatArray, FloatArray] | None:
    """Return the outer quarters, None if short or at rest."""
    quarter = len(S) // 4
    if quarter < SMALLEST_QUARTER:
        return None
    first, last = S[:quarter], S[-quarter:]
    at_rest = max(np.median(first), np.median(last)) <= ROUNDING
    return None if at_rest else (first, last)


def _drift(first: Float[FloatArray, " u"], last: Float[FloatArray, " u"]) -> float:
    """Return the median of the last quarter over the first's."""
    return float(np.median(last) / max(np.median(first), ROUNDING))


def _is_beyond_noise(first: Float[FloatArray, " u"], last: Float[FloatArray, " u"]) -> bool:
    """Return True if S drifts by a factor of 3, beyond noise."""
    if 1 / DRIFT_FACTOR <= _drift(first, last) <= DRIFT_FACTOR:
        return False
    # Share of pairs, one interval of each quarter, that sink; four in five must go one way.
    sinking = float(np.mean(last[None, :] < first[:, None]))
    return max(sinking, 1 - sinking) >= PAIRS_SHARE


def change_point(G: Float[FloatArray, "t t"], steps: Int[IntArray, " t"]) -> int:
    """Find the step at which a second straight, steady path begins.

    Minimizes, over both segments, sum_i w_i ||h_i - p - q t_i||^2, with p and q the best of each
    segment and w_i the time that checkpoint i stands for.

    Example:
        >>> steps = np.arange(11)
        >>> angle = 0.1 * np.minimum(steps, 4)
        >>> h = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        >>> change_point(h @ h.T, steps)
        4

    """
    # Half the way to each neighbor; np.gradient counts the whole way at both ends.
    weights = np.gradient(steps.astype(np.float64))  # [t]
    weights[[0, -1]] /= 2

    def misfit(part: slice) -> float:
        return _misfit(G[part, part], weights[part], steps[part].astype(np.float64))

    splits = range(1, len(steps))
    return int(steps[min(splits, key=lambda k: misfit(slice(k)) + misfit(slice(k, None)))])


def _misfit(
    G: Float[FloatArray, "t t"], w: Float[FloatArray, " t"], times: Float[FloatArray, " t"]
) -> float:
    """Compute the misfit of one segment with the best p and q."""
    # From G alone: sum_i w_i ||h_i||^2, less what each of two orthogonal regressors explains. A
    # constant alone, without the path, would put the split into the middle of Phase I.
    misfit = float(w @ np.diagonal(G))
    for regressor in (np.ones(len(w)), times - np.average(times, weights=w)):
        weighted = w * regressor
        # 0 for the times of a segment of one checkpoint, which has no slope.
        length = float(weighted @ regressor)
        if length > 0:
            misfit -= float(weighted @ G @ weighted) / length
    return misfit
