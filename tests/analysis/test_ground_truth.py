"""Phases of trajectories whose answer is known, and their table of errors in the docs."""

from pathlib import Path

import numpy as np
import pytest
from ground_truth.errors import CASES, measure
from ground_truth.tables import phases_table

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


def test_the_cone_after_a_drop() -> None:
    errors = next(measure(case)[1] for case in CASES if case.name == "wanders, drop, another cone")
    assert abs(np.nanmedian(errors["half after"])) < 0.2
    assert np.nanpercentile(np.abs(errors["turn after"]), 90) < 3


def test_the_documentation_has_these_errors() -> None:
    assert phases_table() in METHOD.read_text(encoding="utf-8")
