"""The late window W, and the figures read from it (docs/method.md, Late window).

W begins at a fixed share of the constant-learning-rate stretch and ends with it. No threshold
decides what is measured.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from conebench.analysis.confinement import confinement_exponent, walk_ratio
from conebench.analysis.distance import (
    ROUNDING,
    FloatArray,
    IntArray,
    angles_deg,
    between,
    lagged_distances,
)
from conebench.analysis.meaning import says

SHARE = 0.3
MIN_CHECKPOINTS = 9
# S is quadratic in the angle: 1 % of the angle is 1e-4 of S.
FROZEN_SHARE = 1e-4

Undefined = Literal["no constant learning rate", "diverged", "too few checkpoints", "frozen"]


@dataclass(frozen=True)
class WindowFigures:
    """Figures of one seed's late window; angles in degrees, None where undefined.

    A frozen kernel has a turn and a cone, but neither alpha nor VR.
    """

    undefined: Undefined | None = field(metadata=says("Why figures are missing; null if none is."))
    start: int | None = field(default=None, metadata=says("First step of the window, w."))
    end: int | None = field(default=None, metadata=says("Last checkpoint of the window."))
    checkpoints: int = field(default=0, metadata=says("Checkpoints in the window."))
    turn_deg: float | None = field(
        default=None, metadata=says("Angle of the first kernel to the axis.")
    )
    cone_deg: float | None = field(
        default=None, metadata=says("Cone angle: root mean square size of the cone, arccos R.")
    )
    cone_95_deg: float | None = field(
        default=None, metadata=says("95th percentile of the kernels' angles to the axis.")
    )
    N: float | None = field(
        default=None, metadata=says("Narrowness, clip(1 - cone angle / turn, 0, 1).")
    )
    alpha: float | None = field(
        default=None, metadata=says("Confinement exponent: 0 bounded, 1 memoryless walk.")
    )
    VR: float | None = field(
        default=None, metadata=says("Scatter over that of a memoryless walk with the same steps.")
    )
    floor: float | None = field(default=None, metadata=says("Median S over one interval."))
    motion: float | None = field(
        default=None, metadata=says("Median S over one interval, per summed learning rate.")
    )
    drift: float | None = field(
        default=None, metadata=says("Median S of the second half of the window over the first.")
    )

    @property
    def reason(self) -> str | None:
        """Reason for missing figures, with the number of checkpoints if they are too few."""
        if self.undefined != "too few checkpoints":
            return self.undefined
        return f"{self.undefined} ({self.checkpoints} in the late window, {MIN_CHECKPOINTS} needed)"


def late_window(
    steps: Int[IntArray, " t"], every: int, stretch: tuple[int, int], share: float = SHARE
) -> Int[IntArray, " u"]:
    """Return the indices of the window's checkpoints.

    They are the uniform checkpoints from w on, the first at or after `share` of the stretch.

    Args:
        steps: Steps of all checkpoints, ascending.
        every: Spacing of the uniform grid, in steps.
        stretch: First and last step of constant learning rate.
        share: Share of the stretch that comes before the window.

    Returns:
        Indices into `steps`.

    Example:
        >>> late_window(np.array([0, 5, 10, 20, 30, 40, 50]), 10, (0, 50), share=0.3)
        array([3, 4, 5, 6])

    """
    start, end = stretch
    # Rounding must not push w past a checkpoint: 0.07 * 100 is above 7.
    first = int(np.ceil(start + share * (end - start) - 1e-6))
    return between(steps, every, first, end)


def measure_window(
    G: Float[FloatArray, "t t"],
    steps: Int[IntArray, " t"],
    every: int,
    stretch: tuple[int, int] | None,
    rates: Float[FloatArray, " T"],
    share: float = SHARE,
) -> WindowFigures:
    """Measure the cone of one seed in its late window.

    With unit kernels h_t and the axis a = mean of h_t over the window, normalized:

        R = |mean h_t|,   turn = arccos <h_0, a>,   cone angle = arccos R,
        N = clip(1 - cone angle / turn, 0, 1).

    Args:
        G: Gram matrix of the unit kernels at all checkpoints.
        steps: Steps of all checkpoints, ascending; the first is 0.
        every: Spacing of the uniform grid, in steps.
        stretch: First and last step of constant learning rate; None without one.
        rates: Learning rate of each update; `rates[k]` leads from step k to k + 1.
        share: Share of the stretch that comes before the window.

    Returns:
        The figures; where some are missing, `undefined` is the reason:

        - "no constant learning rate": there is no stretch;
        - "diverged": the checkpoints end before the stretch, or G is not finite;
        - "too few checkpoints": the window has fewer than 9;
        - "frozen": no two kernels of the window are farther apart than 1 % of the angle between the
          first kernel and the last.

    Example: a kernel that turns by 60 degrees and stays within 4 degrees.
        >>> steps = np.arange(0, 1001, 50)
        >>> angle = np.radians(np.where(steps < 200, 0.3 * steps, 60 + 4 * np.sin(steps)))
        >>> h = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        >>> found = measure_window(h @ h.T, steps, 50, (0, 1000), np.full(1000, 0.1))
        >>> round(found.turn_deg), found.start
        (61, 300)

    Source: C1 (cone); Mardia and Jupp 2000, "Directional Statistics" (resultant length).

    """
    if stretch is None:
        return WindowFigures("no constant learning rate")
    members = late_window(steps, every, stretch, share)
    # A run that diverged ends before the last uniform checkpoint of the stretch.
    reached = steps[-1] >= stretch[1] - stretch[1] % every
    # The figures read the rows of the first kernel and of the window, and no others.
    used = np.append(0, members)
    if not reached or not np.isfinite(G[np.ix_(used, members)]).all():
        return WindowFigures("diverged")
    if len(members) < MIN_CHECKPOINTS:
        return WindowFigures("too few checkpoints", checkpoints=len(members))
    return _measure(G, members, steps, rates)


def _measure(
    G: Float[FloatArray, "t t"],
    members: Int[IntArray, " u"],
    steps: Int[IntArray, " t"],
    rates: Float[FloatArray, " T"],
) -> WindowFigures:
    inside = G[np.ix_(members, members)]  # [u, u]
    # With m = mean h_t: R = ||m||, R^2 is the mean of G, and <h_t, a> = <h_t, m> / R.
    R = np.sqrt(inside.mean())
    to_axis = angles_deg(inside.mean(axis=1) / R)  # [u]
    turn, cone = float(angles_deg(G[0, members].mean() / R)), float(angles_deg(R))
    S = lagged_distances(inside, 1)  # [u - 1]
    frozen = is_frozen(G, members)
    return WindowFigures(
        undefined="frozen" if frozen else None,
        start=int(steps[members[0]]),
        end=int(steps[members[-1]]),
        checkpoints=len(members),
        turn_deg=turn,
        cone_deg=cone,
        cone_95_deg=float(np.percentile(to_axis, 95)),
        N=narrowness(turn, cone),
        alpha=None if frozen else confinement_exponent(inside),
        VR=None if frozen else walk_ratio(inside),
        floor=float(np.median(S)),
        motion=float(np.median(S / _summed_rates(steps[members], rates))),
        drift=None if frozen else drift(S),
    )


def narrowness(turn_deg: float, cone_deg: float) -> float:
    """Return N = clip(1 - cone angle / turn, 0, 1); 0 without a turn.

    Example:
        >>> narrowness(turn_deg=20.0, cone_deg=5.0)
        0.75

    """
    return max(0.0, 1 - cone_deg / turn_deg) if turn_deg > 0 else 0.0


def is_frozen(G: Float[FloatArray, "t t"], members: Int[IntArray, " u"]) -> bool:
    """Return True if the kernels in the window stand still."""
    # The largest S between two of them, against that between the first kernel and the last. Below
    # ROUNDING, motion cannot be told from the rounding of float32 kernels.
    reach = 1 - G[np.ix_(members, members)].min()
    return bool(reach <= max(FROZEN_SHARE * (1 - G[0, members[-1]]), ROUNDING))


def drift(S: Float[FloatArray, " u"]) -> float:
    """Return the median S of the second half over that of the first.

    1 is a level floor; below, the kernel slows down. A middle interval belongs to neither half.

    Example:
        >>> drift(np.array([0.4, 0.4, 0.3, 0.2, 0.2]))
        0.5

    """
    half = len(S) // 2
    return float(np.median(S[-half:]) / max(np.median(S[:half]), ROUNDING))


def _summed_rates(
    steps: Int[IntArray, " u"], rates: Float[FloatArray, " T"]
) -> Float[FloatArray, " v"]:
    """Return the sum of the learning rates between neighboring steps, v = u - 1."""
    return np.diff(np.concatenate([[0.0], np.cumsum(rates)])[steps])
