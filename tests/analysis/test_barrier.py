"""conebench.analysis.barrier: the barrier against hand calculations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conebench.analysis.barrier import barrier

LOSSES = st.lists(st.floats(0, 100), min_size=3, max_size=30)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([1.0, 3.0, 2.0], 1.5),
        ([2.0, 3.0, 5.0, 1.0, 0.0], 4.0),  # at alpha = 1/2: 5 - (2 + 0) / 2
        ([0.5, 0.5, 0.5], 0.0),
        ([1.0, 0.1, 1.0], 0.0),  # a valley
        ([0.0, 1.0, 2.0, 3.0], 0.0),  # a slope
    ],
)
def test_barrier_by_hand(losses: list[float], expected: float) -> None:
    assert barrier(np.array(losses)) == pytest.approx(expected, abs=1e-15)


@given(LOSSES)
def test_a_barrier_is_never_negative_nor_above_the_largest_loss(losses: list[float]) -> None:
    assert 0 <= barrier(np.array(losses)) <= max(losses)


@given(LOSSES, st.floats(-10, 10), st.floats(-10, 10))
def test_a_slope_changes_nothing(losses: list[float], start: float, rise: float) -> None:
    line = start + rise * np.linspace(0, 1, len(losses))
    assert barrier(np.array(losses) + line) == pytest.approx(barrier(np.array(losses)), abs=1e-11)


@given(LOSSES)
def test_the_direction_of_the_path_does_not_matter(losses: list[float]) -> None:
    there, back = np.array(losses), np.array(losses[::-1])
    assert barrier(there) == pytest.approx(barrier(back), abs=1e-12)
