"""Cone-effect strength (CES), from the narrowness of the cone and the confinement exponent."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from conebench.analysis.distance import FloatArray
from conebench.analysis.intervals import Estimate, mean_estimate
from conebench.analysis.meaning import says
from conebench.analysis.window import WindowFigures

BOUNDS = (0.0, 100.0)


@dataclass(frozen=True)
class ConeStrength:
    """CES over the seeds of one run.

    `contributions` has a value per seed; their mean is CES before it is clipped, and their spread
    is that of CES.
    """

    CES: Estimate | None = field(metadata=says("Cone-effect strength; null where undefined."))
    undefined: str | None = field(metadata=says("Why CES is undefined, else null."))
    contributions: tuple[float, ...] = field(
        default=(), metadata=says("A value per seed, to compare runs by.")
    )


def cone_strength(seeds: Sequence[WindowFigures]) -> ConeStrength:
    """Return the cone-effect strength CES = 100 N (1 - alpha), with means over seeds.

    It is 0 for a kernel that walks without memory or drifts (alpha >= 1), or that has no cone
    (N = 0), and 100 for one confined to a cone that is small against the turn.

    Args:
        seeds: The figures of each seed's late window.

    Returns:
        CES; undefined where any seed lacks N or alpha, for example because its kernel is frozen.

    Example:
        >>> seed = WindowFigures(None, N=0.8, alpha=0.25)
        >>> round(cone_strength([seed, seed]).CES.value, 6)
        60.0

    """
    if not seeds:
        return ConeStrength(None, "no seeds")
    # A mean over the other seeds would hide those that diverged or froze.
    reasons = [seed.reason for seed in seeds if seed.reason is not None]
    if reasons:
        named = ", ".join(dict.fromkeys(reasons))
        return ConeStrength(None, f"{named} in {len(reasons)} of {len(seeds)} seeds")
    values = seed_contributions(
        np.array([seed.N for seed in seeds], dtype=np.float64),
        np.array([seed.alpha for seed in seeds], dtype=np.float64),
    )
    # The interval is cut off at the bounds already. Single contributions are not, since they would
    # then have another mean.
    estimate = mean_estimate(values, BOUNDS)
    clipped = float(np.clip(estimate.value, *BOUNDS))
    CES = Estimate(clipped, estimate.low, estimate.high, estimate.seeds)
    return ConeStrength(CES, None, tuple(values.tolist()))


def seed_contributions(
    N: Float[FloatArray, " seeds"], alpha: Float[FloatArray, " seeds"]
) -> Float[FloatArray, " seeds"]:
    """Return a value per seed; their mean is 100 N (1 - alpha).

    z_s = 100 [ N (1 - alpha) + (N_s - N)(1 - alpha) - N (alpha_s - alpha) ], with N and alpha the
    means over seeds. To first order, z has the spread of CES (delta method).

    Example:
        >>> seed_contributions(np.array([0.8, 1.0]), np.array([0.5, 0.5])).round(6)
        array([40., 50.])

    """
    free = 1 - alpha.mean()
    # The first two terms of z_s together are N_s (1 - alpha).
    return np.asarray(100 * (N * free - N.mean() * (alpha - alpha.mean())))
