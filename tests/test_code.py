"""The package itself: how its code reads, held to what CONTRIBUTING says."""

import statistics
from pathlib import Path

import pytest
from code_figures import CodeFigures, first_sentence, measure

PACKAGE = Path(__file__).parents[1] / "conebench"


@pytest.fixture(scope="module")
def figures() -> CodeFigures:
    return measure(PACKAGE)


def test_folders_hold_at_most_16_modules(figures: CodeFigures) -> None:
    # conebench/cli has one file per command.
    counts = {k: n for k, n in figures.modules_per_folder.items() if k != "conebench/cli"}
    assert max(counts.values()) <= 16, counts


def test_files_and_functions_stay_small(figures: CodeFigures) -> None:
    assert max(figures.module_lengths) <= 400
    assert max(figures.function_lengths) <= 60
    assert statistics.median(figures.function_lengths) <= 10


def test_docstrings_open_with_one_short_sentence(figures: CodeFigures) -> None:
    assert statistics.median(figures.sentence_lengths) <= 9
    assert figures.indirect == []


def test_reasons_stand_as_comments(figures: CodeFigures) -> None:
    assert figures.comment_share >= 0.03


def test_the_first_sentence_of_a_docstring() -> None:
    assert first_sentence("Return one.\n\nNot two.") == "Return one."
    assert first_sentence("Return one. Not two.") == "Return one"
    assert first_sentence("Return\none") == "Return one"
