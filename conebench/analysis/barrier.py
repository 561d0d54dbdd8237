"""The barrier between two networks, from losses along the straight line between them."""

import numpy as np
from jaxtyping import Float

from conebench.analysis.distance import FloatArray


def barrier(losses: Float[FloatArray, " points"]) -> float:
    """Max over alpha of L(alpha) - ((1 - alpha) L(0) + alpha L(1)), in units of the loss.

    `losses` are at evenly spaced alpha from 0 to 1, both ends included, where the difference is 0:
    the barrier is never negative. Source: C2, chaos effect; docs/method.md, Chaos probe.
    """
    alpha = np.linspace(0.0, 1.0, len(losses))
    return float((losses - ((1 - alpha) * losses[0] + alpha * losses[-1])).max())
