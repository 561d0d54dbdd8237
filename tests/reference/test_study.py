"""conebench.reference.study: the results in docs are those of the committed records."""

from pathlib import Path

import pytest
from simulated_study import simulate

from conebench.reference.study import HEADING, committed_cells, results_markdown, updated_page
from conebench.study.plan import BLOCKS, CENTER

PAGE = (Path(__file__).parents[2] / "docs" / "study.md").read_text(encoding="utf-8")


def test_the_results_in_docs_are_those_of_the_committed_records() -> None:
    assert updated_page(PAGE, committed_cells()) == PAGE


def test_the_plan_before_the_results_is_left_alone() -> None:
    changed = updated_page(PAGE, simulate(names=[CENTER]))
    assert changed.partition(HEADING)[0] == PAGE.partition(HEADING)[0]
    assert changed != PAGE
    with pytest.raises(ValueError, match="expected the heading '## Results'"):
        updated_page("# A page\n", {})


def test_an_unfinished_study_says_what_it_can_and_what_is_missing() -> None:
    text = results_markdown(simulate(names=[CENTER, *BLOCKS["B"]]))
    assert "B 40 of 40" in text
    assert "- **H1a** No normalization instead of BatchNorm: α cannot be tested yet" in text
    assert "- **H3b** " in text
    assert "Without a record, so far: study-a-" in text


def test_a_whole_study_has_every_prediction() -> None:
    text = results_markdown(simulate({"turn": lambda levels: -4.0 * (levels["output scale"] > 1)}))
    assert text.count("- **H") >= 21
    assert "The strongest findings:" in text
    assert "cannot be tested yet" not in text
    assert "Block R, exploratory: 24 of its 24 cells have a record." in text
    assert text.count(" with running statistics, ") == 62
