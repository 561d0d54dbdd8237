"""conebench.record.quantities: one entry for every figure, and how numbers are written."""

import dataclasses

import numpy as np
import pytest

from conebench.analysis.intervals import Estimate
from conebench.analysis.strength import Summary
from conebench.record.quantities import (
    QUANTITIES,
    STRENGTH,
    distance,
    distance_rows,
    interval,
    percent,
    strength_interval,
)


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


@pytest.mark.parametrize(
    ("low", "high", "written"),
    [
        (0.0002, 0.006, "[+0.0, 0.6]"),
        (-0.006, -0.0002, "[-0.6, -0.0]"),
        (-0.0002, 0.006, "[0.0, 0.6]"),
        (0.0, 0.006, "[0.0, 0.6]"),
        (0.0002, 0.0004, "[+0.0, 0.0]"),
    ],
)
def test_an_end_that_is_rounded_to_0_says_on_which_side_it_lies(low, high, written) -> None:
    assert interval(percent, Estimate(0.0, low, high, 5)) == written


def test_many_distances_are_written_as_one_is() -> None:
    S = np.array([[0.0, -1e-17, 1.23456e-5], [0.5, 1.0, 0.0999999]])
    assert distance_rows(S) == [[distance(value) for value in row] for row in S]
    assert distance(-1e-17) == "0"


def test_no_zero_is_negative() -> None:
    assert percent(-1e-9) == "0.0"


@pytest.mark.parametrize(
    ("estimate", "contributions", "written"),
    [
        (Estimate(40.0, 20.0, 60.0, 2), (30.0, 50.0), "[20.0, 60.0]"),
        # N = 0 gives 0 too: nothing was cut.
        (Estimate(0.0, 0.0, 0.0, 2), (0.0, 0.0), "[0.0, 0.0]"),
        (Estimate(0.0, 0.0, 0.0, 2), (-28.0, -30.0), "cut at 0: α above 1"),
        (Estimate(0.0, 0.0, 86.6, 2), (-42.0, -2.0), "[0.0, 86.6], cut at 0: α above 1"),
        (Estimate(100.0, 40.0, 100.0, 2), (96.0, 110.0), "[40.0, 100.0], cut at 100: α below 0"),
        (Estimate(0.0, None, None, 1), (-5.0,), "cut at 0: α above 1"),
        (None, (), ""),
    ],
)
def test_a_strength_that_was_cut_says_so(estimate, contributions, written) -> None:
    assert strength_interval(estimate, contributions) == written
