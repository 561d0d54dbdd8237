"""Counts of outcomes, with exact intervals."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Count:
    """A number of seeds out of all, with the 95 % interval of its share."""

    number: int
    total: int
    low: float
    high: float


def count_of(number: int, total: int) -> Count:
    """Return a count with its exact interval.

    Args:
        number: Seeds with the outcome.
        total: All seeds, at least 1.

    Returns:
        The count; its interval is that of Clopper and Pearson.

    Example:
        >>> found = count_of(0, 5)
        >>> round(found.low, 3), round(found.high, 3)
        (0.0, 0.522)

    Source: Clopper and Pearson 1934.

    """
    from scipy.stats import binomtest  # slow to import

    found = binomtest(number, total).proportion_ci(0.95, method="exact")
    return Count(number, total, float(found.low), float(found.high))
