"""Loss barrier on the straight line between two networks."""

import numpy as np
from jaxtyping import Float

from conebench.analysis.distance import FloatArray


def barrier(losses: Float[FloatArray, " points"]) -> float:
    """Compute how far the loss rises above a straight line.

    max over alpha of L(alpha) - ((1 - alpha) L(0) + alpha L(1))

    Args:
        losses: L at evenly spaced alpha from 0 to 1, both ends included.

    Returns:
        The barrier in units of the loss, never negative, since it is 0 at both ends.

    Example:
        >>> barrier(np.array([1.0, 2.5, 2.0]))
        1.0

    Source: C2, chaos effect; docs/method.md, Chaos probe.

    """
    alpha = np.linspace(0.0, 1.0, len(losses))  # [points]
    return float((losses - ((1 - alpha) * losses[0] + alpha * losses[-1])).max())
