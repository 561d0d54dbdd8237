"""What CES could be: candidates of one seed, from the Gram matrix of its window."""

import numpy as np

from conebench.analysis.distance import FloatArray, lagged_distances
from conebench.analysis.window import WindowFigures


def plain_exponent(inside: FloatArray) -> float:
    """Return the slope of ln mean S(t, t + lag) over ln lag, for lags from an eighth to half."""
    lags = np.arange(max(1, len(inside) // 8), len(inside) // 2 + 1)
    spread = [max(lagged_distances(inside, int(lag)).mean(), 1e-12) for lag in lags]
    return float(np.polyfit(np.log(lags), np.log(spread), 1)[0])


def by_alpha(figures: WindowFigures, inside: FloatArray) -> float | None:
    """Return 100 N (1 - alpha)."""
    del inside
    if figures.N is None or figures.alpha is None:
        return None
    return 100 * figures.N * (1 - figures.alpha)


def by_plain_alpha(figures: WindowFigures, inside: FloatArray) -> float | None:
    """Return 100 N (1 - the plain exponent)."""
    if figures.N is None or figures.alpha is None:
        return None
    return 100 * figures.N * (1 - plain_exponent(inside))


def by_VR(figures: WindowFigures, inside: FloatArray) -> float | None:
    """Return 100 N (1 - VR)."""
    del inside
    return None if figures.N is None or figures.VR is None else 100 * figures.N * (1 - figures.VR)


CANDIDATES = {
    "100 N (1 - α)": by_alpha,
    "100 N (1 - plain α)": by_plain_alpha,
    "100 N (1 - VR)": by_VR,
}
