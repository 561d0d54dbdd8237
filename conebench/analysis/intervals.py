"""Intervals over seeds: Student's t with a bootstrap's standard error."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from conebench.analysis.distance import FloatArray
from conebench.analysis.meaning import says

RESAMPLES = 10_000
# Up to 5^5 = 3,125 resamples are listed in full, which needs no random draw.
MAX_ENUMERATED_SEEDS = 5


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval over seeds (None with one seed).

    That of an accuracy, or of a difference of accuracies, is over seeds and test images.
    """

    value: float = field(metadata=says("The figure, in most cases a mean over seeds."))
    low: float | None = field(metadata=says("Lower end of its 95 % interval; null with one seed."))
    high: float | None = field(metadata=says("Upper end."))
    seeds: int = field(metadata=says("Number of seeds."))

    def moved(self, value: float) -> "Estimate":
        """Return the estimate with its interval around another value."""
        if self.low is None or self.high is None:
            return Estimate(value, None, None, self.seeds)
        reach = (self.high - self.low) / 2
        return Estimate(value, value - reach, value + reach, self.seeds)

    def mapped(self, function: Callable[[float], float]) -> "Estimate":
        """Return the estimate of a monotonic function."""
        ends = [function(end) for end in (self.low, self.high) if end is not None]
        low, high = (min(ends), max(ends)) if ends else (None, None)
        return Estimate(function(self.value), low, high, self.seeds)


def bootstrap(
    table: Float[FloatArray, "seeds columns"],
    statistic: Callable[[Float[FloatArray, "r columns"]], Float[FloatArray, " r"]],
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """Estimate a statistic of column means over seeds.

    The 95 % interval is value +- t SE. t is the 97.5 % quantile of Student's t with n - 1 degrees
    of freedom, n the seeds; SE = sqrt(n / (n - 1)) times the standard deviation of the statistic
    over resamples of whole rows.

    Args:
        table: a row per seed. Whole rows are drawn, so columns stay paired.
        statistic: maps rows of column means [r, columns] to one number each, NaN if undefined.
        bounds: ends at which the interval is cut off.

    Returns:
        The estimate; without an interval if there is one seed, or no defined resample.

    Example:
        >>> ratio = bootstrap(np.array([[1.0, 2.0], [3.0, 4.0]]), lambda m: m[:, 0] / m[:, 1])
        >>> ratio.value, ratio.seeds
        (0.6666666666666666, 2)
        >>> bool(ratio.low < ratio.value < ratio.high)
        True

    Source: Hesterberg 2015, arXiv 1411.5279.

    """
    seeds = len(table)
    value = float(statistic(table.mean(axis=0, keepdims=True))[0])
    if seeds < 2:
        return Estimate(value, None, None, seeds)
    resampled = statistic(table[_resamples(seeds)].mean(axis=1))  # [r]
    # Some resamples may have no value, such as a ratio with a denominator of 0.
    defined = resampled[np.isfinite(resampled)]
    if len(defined) == 0:
        return Estimate(value, None, None, seeds)
    # Percentiles of few seeds' resamples would be too narrow: those of two seeds never leave the
    # range of the two. The factor makes up for a variance taken with n in place of n - 1, so that
    # the interval of a mean is the t interval.
    reach = t_quantile(seeds - 1) * np.sqrt(seeds / (seeds - 1)) * float(defined.std())
    low, high = np.clip([value - reach, value + reach], *bounds)
    return Estimate(value, float(low), float(high), seeds)


def mean_estimate(
    values: Float[FloatArray, " seeds"], bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """Estimate a mean over seeds, with its t interval.

    Args:
        values: a value per seed.
        bounds: ends at which the interval is cut off.

    Returns:
        The estimate; without an interval if there is one seed.

    Example:
        >>> estimate = mean_estimate(np.array([0.5, 0.7]), bounds=(0.0, 1.0))
        >>> round(estimate.value, 3), estimate.low, estimate.high
        (0.6, 0.0, 1.0)

    """
    column = np.asarray(values, dtype=np.float64)[:, None]
    return bootstrap(column, lambda means: means[:, 0], bounds)


def t_quantile(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t, four decimals."""
    # Imported here: scipy is slow to load, and most commands compute no interval.
    from scipy.special import stdtrit

    # Rounded, since records of method 2 have intervals by a table of four decimals.
    return round(float(stdtrit(freedom, 0.975)), 4)


def _resamples(seeds: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return the seeds of each resample, [r, seeds]."""
    if seeds <= MAX_ENUMERATED_SEEDS:
        # All seeds^seeds of them.
        return np.indices((seeds,) * seeds).reshape(seeds, -1).T
    # A fixed seed, so that a record has the same interval each time.
    return np.random.default_rng(0).integers(0, seeds, size=(RESAMPLES, seeds))
