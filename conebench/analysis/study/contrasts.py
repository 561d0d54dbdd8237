"""Contrasts between cells, taken within one seed.

A cell is given by an array: one value, or one per test image. None means undefined. All cells of a
contrast have the same test images.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from conebench.analysis.distance import FloatArray

Cell = Float[FloatArray, " _"] | None


def mean_difference(pairs: Sequence[tuple[Cell, Cell]]) -> Cell:
    """Return the mean difference over pairs, within one seed.

    Args:
        pairs: Cells that differ in one factor. A pair counts if both are defined.

    Returns:
        The mean of first minus second; None without a defined pair.

    Example: the third pair does not count.
        >>> one, two, five = np.array([1.0]), np.array([2.0]), np.array([5.0])
        >>> mean_difference([(two, one), (five, two), (five, None)])
        array([2.])

    """
    known = [a - b for a, b in pairs if a is not None and b is not None]
    return np.asarray(np.mean(known, axis=0)) if known else None


def side_difference(high: Sequence[Cell], low: Sequence[Cell]) -> Cell:
    """Return the difference of two sides of a design.

    Args:
        high: Cells at the second level.
        low: Cells at the first level.

    Returns:
        Mean of `high` minus mean of `low`; None unless every cell is defined.

    Example:
        >>> side_difference([np.array([4.0]), np.array([6.0])], [np.array([1.0])])
        array([4.])

    """
    known = [[cell for cell in side if cell is not None] for side in (high, low)]
    if len(known[0]) < len(high) or len(known[1]) < len(low):
        return None
    sides = [np.asarray(np.mean(side, axis=0)) for side in known]
    return np.asarray(sides[0] - sides[1])


def slope(levels: Sequence[float], cells: Sequence[Cell]) -> Cell:
    """Return the least-squares slope per doubling, in one seed.

    Args:
        levels: Level of each cell, above 0.
        cells: The cells.

    Returns:
        The change per doubling, over the defined cells; None if fewer than two levels are defined.

    Example: one more per doubling.
        >>> slope([1.0, 2.0, 4.0, 8.0], [np.array([v]) for v in (3.0, 4.0, 5.0, 6.0)]).round(9)
        array([1.])

    """
    weights = slope_weights(levels, [cell is not None for cell in cells])
    if weights is None:
        return None
    known = [cell for cell in cells if cell is not None]
    return np.asarray(weights @ np.array(known, dtype=np.float64))


def slope_weights(
    levels: Sequence[float], defined: Sequence[bool]
) -> Float[FloatArray, " c"] | None:
    """Return the weights of the c cells in a slope.

    Args:
        levels: Level of each cell, above 0.
        defined: True for the cells that are defined.

    Returns:
        (x - mean x) / sum (x - mean x)^2, x the base-2 logarithms of the defined levels. None if
        fewer than two levels are defined.

    Example:
        >>> slope_weights([1.0, 2.0, 4.0], [True, False, True])
        array([-0.5,  0.5])

    """
    x = np.log2([level for level, known in zip(levels, defined, strict=True) if known])
    if len(set(x.tolist())) < 2:
        return None
    centered = x - x.mean()
    return np.asarray(centered / (centered @ centered))
