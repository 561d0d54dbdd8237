"""Contrasts within one seed."""

import numpy as np
import pytest
from scipy import stats

from conebench.analysis.study import mean_difference, side_difference, slope, slope_weights


def cells(*values: float | None) -> list[np.ndarray | None]:
    return [None if value is None else np.array([value]) for value in values]


def test_a_pair_counts_where_both_sides_are_defined() -> None:
    first, second = cells(3.0, 5.0, None, 9.0), cells(1.0, 1.0, 0.0, None)
    found = mean_difference(list(zip(first, second, strict=True)))
    assert found == pytest.approx([3.0])
    assert mean_difference([(None, np.array([1.0]))]) is None


def test_sides_need_every_cell() -> None:
    assert side_difference(cells(3.0, 5.0), cells(1.0, 2.0)) == pytest.approx([2.5])
    assert side_difference(cells(3.0, None), cells(1.0, 2.0)) is None


def test_the_slope_is_that_of_a_regression_on_doublings() -> None:
    levels, values = [0.3, 1.0, 3.0, 10.0], [2.0, 1.7, 1.9, 0.4]
    expected = stats.linregress(np.log2(levels), values).slope
    assert slope(levels, cells(*values)) == pytest.approx([expected])
    # Of images, each has its own slope.
    images = [np.array([value, 2 * value]) for value in values]
    assert slope(levels, images) == pytest.approx([expected, 2 * expected])


def test_the_slope_is_over_the_defined_levels() -> None:
    assert slope([1.0, 2.0, 4.0], cells(1.0, None, 3.0)) == pytest.approx([1.0])
    assert slope([1.0, 2.0, 4.0], cells(1.0, None, None)) is None
    assert slope_weights([2.0, 2.0], [True, True]) is None
