"""conebench.site.findings_page.glance: every test as a mark."""

from dataclasses import replace

import pytest
from simulated_study import simulate

from conebench.analysis.study import Effect
from conebench.site.findings_page.glance import COLUMNS, GlanceCell, glance_rows
from conebench.study.findings import Finding, find_all
from conebench.study.plan import HYPOTHESES
from conebench.study.responses import CONE, MOTION, TURN

FINDINGS = find_all(simulate({"turn": lambda levels: -4.0 * (levels["output scale"] > 1)}))


def finding(row: str, response: object) -> Finding:
    (found,) = [f for f in FINDINGS if f.hypothesis.row == row and f.response is response]
    return found


def cell(found: Finding) -> GlanceCell | None:
    (row,) = glance_rows([found])
    return row.cells[COLUMNS.index(found.response)]


def test_every_contrast_has_a_row_and_every_test_of_the_columns_a_cell() -> None:
    rows = glance_rows(FINDINGS)
    assert [row.row for row in rows] == [hypothesis.row for hypothesis in HYPOTHESES]
    for row, hypothesis in zip(rows, HYPOTHESES, strict=True):
        tested = [column in hypothesis.responses for column in COLUMNS]
        assert [found is not None for found in row.cells] == tested
    by_row = {row.row: row for row in rows}
    assert by_row["H4a"].label == "output scale, ×2"
    assert [found.effect.partition(" ")[0] for found in by_row["H4a"].others] == ["lazy"]
    assert by_row["H3a"].others == ()
    assert glance_rows(find_all({})) == []


def test_an_effect_has_a_mark_its_size_and_words() -> None:
    found = cell(finding("H4a", TURN))
    assert found is not None
    assert (found.mark, found.effect[0], found.standing) == ("▼", "−", "✓")
    assert found.words == "down, as predicted"


@pytest.mark.parametrize(
    ("effect", "verdict", "mark", "words"),
    [
        (5.0, "found", "▲", "up"),
        (-5.0, "found", "▼", "down"),
        (0.01, "found", "≈", "no effect beyond the margin"),
        (0.01, "no effect", "≈", "no effect beyond the margin"),
        (5.0, "not found", "?", "not found"),
    ],
)
def test_marks(effect: float, verdict: str, mark: str, words: str) -> None:
    found = finding("H6b", CONE)
    test = replace(found.test, effect=Effect(effect, 0.001, 4.0, 5))
    shown = cell(replace(found, test=test, verdict=verdict))
    assert shown is not None
    assert (shown.mark, shown.words, shown.standing) == (mark, words, "")
    assert bool(shown.effect) == (mark in "▲▼")


def test_another_block_against_an_effect_opens_its_mark() -> None:
    found = finding("H7", CONE)
    up, down = Effect(5.0, 0.001, 4.0, 5), Effect(-5.0, 0.001, 4.0, 5)
    (block,) = found.replications
    for other, mark, words in (
        (up, "▲", "up"),
        (down, "△", "up, but not in block C"),
        (Effect(0.1, 1.0, 4.0, 5), "△", "up, but not in block C"),
    ):
        shown = cell(
            replace(
                found,
                test=replace(found.test, effect=up),
                replications=(replace(block, effect=other),),
                verdict="found",
            )
        )
        assert shown is not None
        assert (shown.mark, shown.words) == (mark, words)


def test_a_pair_of_cells_with_the_other_sign_opens_a_mark() -> None:
    found = finding("H10b", CONE)
    test = replace(
        found.test, effect=Effect(5.0, 0.001, 4.0, 5), pairs=(("a", 4.0), ("b", 6.0), ("c", -1.0))
    )
    shown = cell(replace(found, test=test, verdict="found"))
    assert shown is not None
    assert (shown.mark, shown.words) == ("△", "up, but not in 1 of 3 pairs of cells")


def test_motion_between_different_learning_rates_is_told_as_divided() -> None:
    shown = cell(finding("H2", MOTION))
    assert shown == GlanceCell("÷", "", "divided by learning rates that differ", "")
