"""95 % intervals over seeds: Student's t with the standard error of a bootstrap."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from conebench.analysis.distance import FloatArray, says

RESAMPLES = 10_000
MAX_ENUMERATED_SEEDS = 5
# 97.5 % quantiles of Student's t for 1 to 9 degrees of freedom; a series is exact enough beyond.
T_QUANTILES = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622)
NORMAL_QUANTILE = 1.959964


@dataclass(frozen=True)
class Estimate:
    """A figure, its 95 % interval over seeds (None with one seed) and how many seeds it has."""

    value: float = field(metadata=says("The figure; mostly a mean over seeds."))
    low: float | None = field(metadata=says("Lower end of its 95 % interval; null with one seed."))
    high: float | None = field(metadata=says("Upper end."))
    seeds: int = field(metadata=says("Seeds that it is of."))

    def moved(self, value: float) -> "Estimate":
        """The estimate with its interval about another value."""
        if self.low is None or self.high is None:
            return Estimate(value, None, None, self.seeds)
        reach = (self.high - self.low) / 2
        return Estimate(value, value - reach, value + reach, self.seeds)

    def mapped(self, function: Callable[[float], float]) -> "Estimate":
        """The estimate of a monotonic function of the figure."""
        ends = [function(end) for end in (self.low, self.high) if end is not None]
        low, high = (min(ends), max(ends)) if ends else (None, None)
        return Estimate(function(self.value), low, high, self.seeds)


def bootstrap(
    table: Float[FloatArray, "seeds columns"],
    statistic: Callable[[Float[FloatArray, "r columns"]], Float[FloatArray, " r"]],
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """Estimate of a statistic of the column means; whole rows are drawn, so columns stay paired.

    `statistic` maps rows of column means to one number each. The interval is value +- t SE, cut
    off at `bounds`: t is the 97.5 % quantile of Student's t with n - 1 degrees of freedom, n the
    seeds, SE = sqrt(n / (n - 1)) x the standard deviation of the statistic over resamples. For
    a mean this is the t interval. Percentiles of few seeds' resamples are too narrow: two seeds'
    never leave the range of the two (Hesterberg 2015, arXiv 1411.5279).

    With up to 5 seeds all n^n resamples are enumerated, beyond that 10,000 are drawn with a fixed
    seed. Resamples in which the statistic is undefined (NaN) are left out.
    """
    seeds = len(table)
    value = float(statistic(table.mean(axis=0, keepdims=True))[0])
    if seeds < 2:
        return Estimate(value, None, None, seeds)
    resampled = statistic(table[_resamples(seeds)].mean(axis=1))
    defined = resampled[np.isfinite(resampled)]
    if len(defined) == 0:
        return Estimate(value, None, None, seeds)
    reach = t_quantile(seeds - 1) * np.sqrt(seeds / (seeds - 1)) * float(defined.std())
    low, high = np.clip([value - reach, value + reach], *bounds)
    return Estimate(value, float(low), float(high), seeds)


def mean_estimate(
    values: Float[FloatArray, " seeds"], bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """Mean over seeds with its interval, cut off at `bounds`."""
    column = np.asarray(values, dtype=np.float64)[:, None]
    return bootstrap(column, lambda means: means[:, 0], bounds)


def t_quantile(freedom: int) -> float:
    """97.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5 beyond 9 degrees)."""
    if freedom <= len(T_QUANTILES):
        return T_QUANTILES[freedom - 1]
    z = NORMAL_QUANTILE
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return float(sum(term / freedom**power for power, term in enumerate(terms)))


def _resamples(seeds: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    if seeds <= MAX_ENUMERATED_SEEDS:
        return np.indices((seeds,) * seeds).reshape(seeds, -1).T
    return np.random.default_rng(0).integers(0, seeds, size=(RESAMPLES, seeds))
