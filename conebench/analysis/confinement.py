"""Confinement of the kernel: its motion in the late window against a memoryless walk."""

import math

import numpy as np
from jaxtyping import Float

from conebench.analysis.distance import ROUNDING, FloatArray, lagged_distances

# Alpha compares steps of an eighth of the window with two, three and four of them.
PARTS = 8
MULTIPLES = np.array([2, 3, 4])


def confinement_exponent(inside: Float[FloatArray, "t t"]) -> float | None:
    """Return the confinement exponent alpha of the kernels in the window.

    With A(i, j) = -ln G[i, j], which adds up over the steps of a memoryless walk, and L an eighth
    of the window:

        r_k = median over i of ln [ A(i, i + kL) / sum_{j < k} A(i + jL, i + (j + 1)L) ]
        alpha = 1 + sum_k r_k ln k / sum_k (ln k)^2,        k = 2, 3, 4.

    It is the exponent of S(t, t + lag) ~ lag^alpha, for lags from an eighth to half of the window:
    0 = bounded, 1 = a walk without memory, 2 = a straight line.

    Args:
        inside: Gram matrix of the window's unit kernels, on a uniform grid.

    Returns:
        Alpha, or None for fewer than 8 intervals.

    Example: kernels at equal angles along a great circle.
        >>> angles = np.radians(np.arange(17.0))
        >>> round(confinement_exponent(np.cos(angles[:, None] - angles)), 2)
        2.0

    Source: the exponent of a mean squared displacement (Metzler et al. 2014, arXiv 1402.7010).

    """
    lag = (len(inside) - 1) / PARTS
    if lag < 1:
        return None
    # S = 1 - G saturates for kernels that turn far; -ln G does not.
    action = -np.log(np.clip(inside, ROUNDING, 1.0))  # [t, t]
    # An eighth of the window may lie between two lags of the grid.
    below, above = math.floor(lag), math.ceil(lag)
    share = lag - below
    return (1 - share) * _exponent(action, below) + share * _exponent(action, above)


def _exponent(action: Float[FloatArray, "t t"], lag: int) -> float:
    growth = np.array([_growth(action, lag, int(k)) for k in MULTIPLES])  # [3]
    log_k = np.log(MULTIPLES)  # [3]
    # Least squares of r_k = (alpha - 1) ln k: a line through the origin.
    return float(1 + (growth @ log_k) / (log_k @ log_k))


def _growth(action: Float[FloatArray, "t t"], lag: int, k: int) -> float:
    """Return r_k, the median log ratio of A over k lags to the sum over each."""
    # Each pair is compared with a walk that makes the same steps. So a walk that slows down still
    # gets 1, where the plain slope of ln S over ln lag gives it less (docs/method.md).
    pairs = len(action) - k * lag
    one = np.diagonal(action, offset=lag)  # [t - lag]
    walked = sum(one[j * lag : j * lag + pairs] for j in range(k))  # [pairs]
    gone = np.diagonal(action, offset=k * lag)  # [pairs]
    # A kernel that stands still counts as a walk: it shows no confinement.
    ratio = np.maximum(gone, ROUNDING) / np.maximum(walked, ROUNDING)
    return float(np.median(np.log(ratio)))


def walk_ratio(inside: Float[FloatArray, "t t"]) -> float | None:
    """Return VR, the scatter about the axis over that of a walk with the same steps.

    VR = (1 - R^2) / (1 - R0^2), where R^2 is the mean of G over the window and R0^2 the mean of

        G0[i, j] = prod_{k = i}^{j - 1} (1 - S(k, k + 1)),

    the expected G of a walk that makes the same steps without memory. 1 = such a walk, near 0 =
    confined, above 1 = drifts. It depends on the grid: a finer one has more steps.

    Args:
        inside: Gram matrix of the window's unit kernels, on a uniform grid.

    Returns:
        VR, or None for fewer than 2 kernels or a kernel that stands still.

    Example: two kernels in turn stay where they are.
        >>> round(walk_ratio(np.array([[1, 0.9, 1], [0.9, 1, 0.9], [1, 0.9, 1]])), 2)
        0.51

    """
    cosines = np.clip(1 - lagged_distances(inside, 1), ROUNDING, 1.0)  # [t - 1]
    # Sums of ln (1 - S) up to each checkpoint: ln G0[i, j] is the difference of two of them.
    logs = np.concatenate([[0.0], np.cumsum(np.log(cosines))])  # [t]
    walk = np.exp(-np.abs(logs[:, None] - logs))  # [t, t]
    scatter = 1 - walk.mean()
    return float((1 - inside.mean()) / scatter) if scatter > ROUNDING else None
