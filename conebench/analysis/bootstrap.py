"""95 % percentile intervals by bootstrap over seeds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from conebench.analysis.distance import FloatArray

RESAMPLES = 10_000
MAX_ENUMERATED_SEEDS = 5


@dataclass(frozen=True)
class Estimate:
    """A figure, its 95 % interval over seeds (None with one seed) and how many seeds it has."""

    value: float
    low: float | None
    high: float | None
    seeds: int


def bootstrap(
    table: Float[FloatArray, "seeds columns"],
    statistic: Callable[[Float[FloatArray, "r columns"]], Float[FloatArray, " r"]],
) -> Estimate:
    """Estimate of a statistic of the column means; whole rows are drawn, so columns stay paired.

    `statistic` maps rows of column means to one number each. With up to 5 seeds all n^n resamples
    are enumerated, beyond that 10,000 are drawn with a fixed seed. Resamples in which the
    statistic is undefined (NaN) are left out of the interval.
    """
    seeds = len(table)
    value = float(statistic(table.mean(axis=0, keepdims=True))[0])
    if seeds < 2:
        return Estimate(value, None, None, seeds)
    resampled = statistic(table[_resamples(seeds)].mean(axis=1))
    defined = resampled[np.isfinite(resampled)]
    if len(defined) == 0:
        return Estimate(value, None, None, seeds)
    low, high = np.percentile(defined, [2.5, 97.5])
    return Estimate(value, float(low), float(high), seeds)


def mean_estimate(values: Float[FloatArray, " seeds"]) -> Estimate:
    """Mean over seeds with its interval."""
    return bootstrap(np.asarray(values, dtype=np.float64)[:, None], lambda means: means[:, 0])


def _resamples(seeds: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    if seeds <= MAX_ENUMERATED_SEEDS:
        return np.indices((seeds,) * seeds).reshape(seeds, -1).T
    return np.random.default_rng(0).integers(0, seeds, size=(RESAMPLES, seeds))
