"""conebench.record.quantities: one entry for every figure, and how numbers are written."""

import dataclasses

import numpy as np
import pytest

from conebench.analysis.intervals import Estimate
from conebench.analysis.strength import Summary
from conebench.record.quantities import QUANTITIES, STRENGTH, distance, distance_rows, percent


def test_every_figure_of_the_summary_is_in_the_table_once() -> None:
    others = {"verdict", "detail", "outcomes", "w", "contributions", "switches", "undefined"}
    figures = {field.name for field in dataclasses.fields(Summary)} - others
    assert sorted(quantity.field for quantity in QUANTITIES) == sorted(figures)
    for quantity in QUANTITIES:
        assert quantity.meaning.endswith(".")
        assert quantity.higher
    assert len({quantity.symbol for quantity in QUANTITIES}) == len(QUANTITIES)


@pytest.mark.parametrize(
    ("estimate", "value", "interval"),
    [
        (Estimate(41.72, 16.58, 56.6, 3), "41.7", "[16.6, 56.6]"),
        (Estimate(41.72, None, None, 1), "41.7", ""),
        (None, "–", ""),
    ],
)
def test_an_estimate_is_written_with_its_interval(estimate, value, interval) -> None:
    assert (STRENGTH.value(estimate), STRENGTH.interval(estimate)) == (value, interval)


def test_many_distances_are_written_as_one_is() -> None:
    S = np.array([[0.0, -1e-17, 1.23456e-5], [0.5, 1.0, 0.0999999]])
    assert distance_rows(S) == [[distance(value) for value in row] for row in S]
    assert distance(-1e-17) == "0"


def test_no_zero_is_negative() -> None:
    assert percent(-1e-9) == "0.0"
