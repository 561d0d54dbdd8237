"""An effect: a mean over seeds with its error, and what follows from both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from conebench.analysis.accuracy import two_level_error
from conebench.analysis.distance import FloatArray
from conebench.analysis.intervals import Estimate

# One row per seed: a value per test image, or a single one. None if undefined in that seed.
Rows = Sequence[Float[FloatArray, " _"] | None]

LEVEL = 0.95


@dataclass(frozen=True)
class Effect:
    """A mean over seeds with its squared standard error; None with one seed."""

    value: float
    squared_error: float | None
    freedom: float
    seeds: int

    def interval(self, level: float = LEVEL) -> tuple[float, float] | None:
        """Return the t interval; None with one seed."""
        from scipy.special import stdtrit  # slow to import

        if self.squared_error is None:
            return None
        reach = float(stdtrit(self.freedom, (1 + level) / 2)) * math.sqrt(self.squared_error)
        return self.value - reach, self.value + reach

    @property
    def estimate(self) -> Estimate:
        """The value with its 95 % interval."""
        low, high = self.interval() or (None, None)
        return Estimate(self.value, low, high, self.seeds)

    @property
    def p_value(self) -> float | None:
        """Two-sided p-value of "the mean is 0". None with one seed."""
        from scipy.special import stdtr  # slow to import

        if self.squared_error is None:
            return None
        if self.squared_error == 0:
            return float(self.value == 0)
        return 2 * float(stdtr(self.freedom, -abs(self.value) / math.sqrt(self.squared_error)))

    def scaled(self, factor: float) -> "Effect":
        """Return the effect in other units."""
        error = self.squared_error
        error = None if error is None else error * factor**2
        return replace(self, value=self.value * factor, squared_error=error)

    def widened(self, variance: float, freedom: float) -> "Effect":
        """Return the effect with an independent variance added.

        The degrees of freedom follow from both by Satterthwaite.
        """
        if self.squared_error is None or variance == 0:
            return self
        total = self.squared_error + variance
        spread = self.squared_error**2 / self.freedom + variance**2 / freedom
        return replace(self, squared_error=total, freedom=total**2 / spread)


def mean_over_seeds(rows: Rows) -> Effect | None:
    """Return the mean over the defined seeds.

    With values per test image the error is the two-level one, for new seeds and new images.

    Args:
        rows: One array per seed, of one value or of one per test image; None where undefined.

    Returns:
        The effect; None if no seed is defined.

    Example:
        >>> effect = mean_over_seeds([np.array([1.0]), np.array([2.0]), np.array([3.0]), None])
        >>> effect.value, effect.seeds, round(effect.interval()[0], 3)
        (2.0, 3, -0.484)

    """
    known = [row for row in rows if row is not None]
    if not known:
        return None
    if len({len(row) for row in known}) > 1:
        # Seeds tested on different images: only their means can be compared.
        known = [row.mean(keepdims=True) for row in known]
    cells = np.array(known, dtype=np.float64)  # [seeds, images]
    if len(cells) < 2:
        return Effect(float(cells.mean()), None, 1.0, len(cells))
    squared_error, freedom = two_level_error(cells)
    return Effect(float(cells.mean()), squared_error, freedom, len(cells))
