"""Effects from several centers together: random effects."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from conebench.analysis.distance import FloatArray
from conebench.analysis.study.effect import Effect

MIN_CENTERS = 3


@dataclass(frozen=True)
class Pooled:
    """The mean effect over centers, and what to expect of another center."""

    effect: Effect
    # Standard deviation of the true effects between centers.
    tau: float
    # 95 % prediction interval for the true effect at another center.
    predicted: tuple[float, float]


def pool(centers: Sequence[Effect]) -> Pooled | None:
    """Return the mean over centers by a random-effects model.

    With effects y_i, squared errors v_i and weights w_i = 1 / (v_i + tau^2), tau^2 solves
    sum w_i (y_i - m)^2 = k - 1 (Paule and Mandel), or is 0. The squared error of the mean m is
    sum w_i (y_i - m)^2 / ((k - 1) sum w_i), with k - 1 degrees of freedom (Hartung and Knapp). The
    prediction interval is m +- t sqrt(tau^2 + that error), with k - 2 degrees of freedom.

    Args:
        centers: The effect at each center.

    Returns:
        The pooled effect; None with fewer than three centers that have an error.

    Example: three centers that agree.
        >>> found = pool([Effect(v, 0.01, 4.0, 5) for v in (1.0, 1.1, 0.9)])
        >>> round(found.effect.value, 3), found.tau, found.effect.seeds
        (1.0, 0.0, 15)

    Source: Hartung and Knapp 2001; Paule and Mandel 1982; Higgins, Thompson, Spiegelhalter 2009.

    """
    # An effect of one seed has no weight to give it.
    known = [effect for effect in centers if effect.squared_error]
    if len(known) < MIN_CENTERS:
        return None
    from scipy.special import stdtrit  # slow to import

    y = np.array([effect.value for effect in known])  # [k]
    v = np.array([effect.squared_error for effect in known])  # [k]
    tau_squared = _paule_mandel(y, v)
    w = 1 / (v + tau_squared)
    mean, freedom = float(w @ y / w.sum()), len(known) - 1
    squared_error = float(w @ (y - mean) ** 2 / (freedom * w.sum()))
    reach = float(stdtrit(len(known) - 2, 0.975)) * math.sqrt(tau_squared + squared_error)
    seeds = sum(effect.seeds for effect in known)
    effect = Effect(mean, squared_error, float(freedom), seeds)
    return Pooled(effect, math.sqrt(tau_squared), (mean - reach, mean + reach))


def _paule_mandel(y: Float[FloatArray, " k"], v: Float[FloatArray, " k"]) -> float:
    """Return tau^2, at which the weighted sum of squares is k - 1."""
    from scipy.optimize import brentq

    def excess(tau_squared: float) -> float:
        w = 1 / (v + tau_squared)
        return float(w @ (y - w @ y / w.sum()) ** 2) - (len(y) - 1)

    if excess(0.0) <= 0:
        return 0.0
    # At k times the spread, every term is below 1 / k.
    upper = len(y) * float(((y - y.mean()) ** 2).sum()) + 1e-300
    return float(brentq(excess, 0.0, upper, xtol=1e-12 * upper))
