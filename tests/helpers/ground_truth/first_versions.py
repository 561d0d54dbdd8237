"""The estimators of T* as first written, to compare with."""

import numpy as np

from conebench.analysis.distance import FloatArray, IntArray


def settling_interval(S: FloatArray) -> int | None:
    """First interval from which a rolling median (window 5) of S stays <= 2 x its floor."""
    smooth = np.array([np.median(S[max(0, i - 2) : i + 3]) for i in range(len(S))])
    half = len(S) // 2
    above = np.flatnonzero(smooth > 2 * np.median(smooth[half:]))
    first = int(above[-1]) + 1 if len(above) else 0
    return None if first > half else first


def change_point(G: FloatArray, steps: IntArray) -> int:
    """The split with the least time-weighted scatter about the means of two segments."""
    weights = np.gradient(steps.astype(np.float64))
    weights[[0, -1]] /= 2

    def scatter(part: slice) -> float:
        w = weights[part]
        return float(w.sum() - w @ G[part, part] @ w / w.sum())

    splits = range(1, len(steps))
    return int(steps[min(splits, key=lambda k: scatter(slice(k)) + scatter(slice(k, None)))])
