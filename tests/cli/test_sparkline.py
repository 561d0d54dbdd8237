"""Curves as one line of text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conebench.cli.sparkline import BARS, PLAIN_BARS, WIDTH, bars_for, sparkline

LINES = {
    "from low to high": ([0, 1, 2, 3, 4, 5, 6, 7], False, "▁▂▃▄▅▆▇█"),
    "level": ([0.3, 0.3, 0.3], False, "▁▁▁"),
    "two levels": ([1, 0], False, "█▁"),
    "logarithms": ([1, 10, 100], True, "▁▅█"),
    "no logarithm is a gap": ([0, 1, 10], True, " ▁█"),
    "none has a logarithm": ([0, 0], True, "  "),
    "one value": ([5], False, "▁"),
    "none": ([], False, ""),
}


@pytest.mark.parametrize(("values", "log", "line"), LINES.values(), ids=LINES)
def test_by_hand(values: list[float], line: str, *, log: bool) -> None:
    assert sparkline([float(value) for value in values], log=log) == line


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.booleans())
@settings(max_examples=50, deadline=None, derandomize=True)
def test_any_values_fit_on_a_line(values: list[float], log: bool) -> None:
    line = sparkline(values, log=log, bars=PLAIN_BARS)
    assert len(line) == min(len(values), WIDTH)
    assert set(line) <= set(PLAIN_BARS) | {" "}


def test_the_ends_are_shown() -> None:
    line = sparkline([9.0, *[0.0] * 200, 9.0])
    assert line[0] == line[-1] == "█"


@pytest.mark.parametrize(
    ("encoding", "bars"),
    [("utf-8", BARS), ("ascii", PLAIN_BARS), (None, PLAIN_BARS), ("latin-1", PLAIN_BARS)],
)
def test_bars_that_the_terminal_has(encoding: str | None, bars: str) -> None:
    assert bars_for(encoding) == bars
