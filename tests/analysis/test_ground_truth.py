"""Phases and cone of trajectories whose answer is known, and the tables of errors in the docs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ground_truth.coverage import COVERED, coverage
from ground_truth.errors import CASES, measure
from ground_truth.tables import cone_table, coverage_table, phases_table

METHOD = Path(__file__).parents[2] / "docs" / "method.md"

RIGHT = {
    "turns steadily, then wanders": 0.9,
    "turns ever slower, then wanders": 0.9,
    "wanders, on 8 to 16 intervals": 0.9,
    "wanders, turn up to 4 times S": 0.5,
    "wanders, turn slower than wander": 0.6,
    "wanders, with a late bump": 0.9,
    "diffuses": 0.95,
    "goes straight": 0.8,
    "freezes": 1.0,
    "wanders, drop, another cone": 0.9,
    "settles after the middle": 0.95,
    "ever slower, v ~ 1/t": 0.85,
    "ever faster, v ~ t": 1.0,
    "always at one speed": 1.0,
}
UNSEEN = "wanders, turn up to 4 times S"
SETTLING = [case for case in CASES if case.outcome in ("two phases", "frozen")]
ALPHA = {
    "turns steadily, then wanders": (0, 0.15),
    "turns ever slower, then wanders": (0, 0.15),
    "diffuses": (1, 0.1),
    "goes straight": (2, 0.05),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_outcome_is_right(case) -> None:
    assert measure(case)[0] >= RIGHT[case.name]


@pytest.mark.parametrize(
    "case", [case for case in SETTLING if case.name != UNSEEN], ids=lambda case: case.name
)
def test_T_star_is_right_within_an_interval(case) -> None:
    errors = measure(case)[1]["T*"]
    low, high = np.nanpercentile(errors, [10, 90])
    assert -1 <= low <= high <= 1


@pytest.mark.parametrize(
    ("name", "first", "limit"),
    [
        ("turns steadily, then wanders", "T* first", 0.9),
        ("freezes", "T* first", 0.5),
        ("freezes", "change first", 0.9),
        ("diffuses", "change first", 0.9),
        ("goes straight", "change first", 0.5),
    ],
)
def test_the_estimators_are_better_than_their_first_versions(
    name: str, first: str, limit: float
) -> None:
    """By the 90th percentile of the error, a missing T* counted as the largest."""
    errors = next(measure(case)[1] for case in CASES if case.name == name)
    ours, theirs = (
        np.percentile(np.abs(np.nan_to_num(errors[which], nan=100)), 90)
        for which in (first.removesuffix(" first"), first)
    )
    assert ours < limit * theirs


@pytest.mark.parametrize("name", ALPHA)
def test_alpha_tells_the_motions_apart(name: str) -> None:
    alpha, tolerance = ALPHA[name]
    errors = next(measure(case)[1] for case in CASES if case.name == name)
    assert np.nanmedian(errors["alpha"]) == pytest.approx(alpha, abs=tolerance)


def test_the_cone_before_and_after_a_drop() -> None:
    errors = next(measure(case)[1] for case in CASES if case.name == "wanders, drop, another cone")
    for name in ("half", "half after"):
        assert abs(np.nanmedian(errors[name])) < 0.2
    for name in ("turn", "turn after"):
        assert np.nanpercentile(np.abs(errors[name]), 90) < 3


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize(("figure", "truth"), COVERED)
def test_intervals_hold_the_truth(seeds: int, figure, truth: str) -> None:
    assert coverage(seeds, figure, truth, "t") == pytest.approx(0.95, abs=0.03)
    assert coverage(seeds, figure, truth, "percentiles") < 0.92


@pytest.mark.parametrize("table", [phases_table, cone_table, coverage_table])
def test_the_documentation_has_these_errors(table: Callable[[], str]) -> None:
    assert table() in METHOD.read_text(encoding="utf-8")
