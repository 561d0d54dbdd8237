"""conebench.site.board.sentences: no more than the numbers say, and how sure they are."""

from dataclasses import replace

import pytest
from synthetic import make_record, make_spec

from conebench.analysis.intervals import Estimate
from conebench.site.board.rows import Row, group_rows, row_of
from conebench.site.board.sentences import (
    leading_sentence,
    rank_sentence,
    record_sentence,
    so_far,
)


def row(title: str, noise: float = 0.1, **changes: object) -> Row:
    record = make_record(make_spec(title=title, **changes), noise=noise)
    return row_of(record, record.id)


def test_the_first_row_is_named_with_its_interval_and_rivals_are_counted() -> None:
    (alone,) = group_rows([row("A")])
    CES = alone.rows[0].figures["CES"]
    shown = f"{CES.value:.1f} [{CES.low:.1f}, {CES.high:.1f}]"
    assert leading_sentence(alone) == f"One row is ranked: A, CES {shown}."
    (clear,) = group_rows([row("A"), row("B", 0.3)])
    assert leading_sentence(clear) == (
        f"First of 2 ranked rows; no other row may be first: A, CES {shown}."
    )
    (shared,) = group_rows([row("A"), row("B", 0.101), row("C", 0.3)])
    assert leading_sentence(shared).startswith(
        "2 of 3 ranked rows may be first: their seeds do not tell them apart. Highest: "
    )


def test_without_ranks_the_reasons_are_counted() -> None:
    (group,) = group_rows([row("A", seeds=[1]), row("B", seeds=[2]), row("C", noise=0)])
    assert leading_sentence(group) == "No row is ranked (few seeds: 2 of 3, frozen: 1 of 3)."


def test_the_claims_of_the_cone_effect_are_counted_over_records_with_an_interval() -> None:
    groups = group_rows([row("A"), row("B", 0.3), row("C", seeds=[1]), row("D", noise=0)])
    confined, worth = so_far(groups)
    assert confined.startswith("In 2 of 2 records the kernel keeps moving but is confined (")
    assert worth.startswith(
        "Non-linear training after w raises accuracy in 3 of 3 records, by 5.0 points: "
    )
    assert so_far([]) == []


@pytest.mark.parametrize(
    ("alpha", "said"),
    [
        (Estimate(0.3, 0.2, 0.4, 5), "; it is confined (α = 0.30 [0.20, 0.40])"),
        (Estimate(0.9, 0.6, 1.2, 5), "; it is not told apart from a walk without memory (α ="),
        (Estimate(1.6, 1.4, 1.8, 5), "; it is drifting (α ="),
        (Estimate(0.3, None, None, 1), "; it is of one seed, so without an interval (α = 0.30)."),
    ],
)
def test_a_record_is_confined_only_with_its_whole_interval(alpha: Estimate, said: str) -> None:
    found = row("A")
    text = record_sentence(replace(found, figures={**found.figures, "alpha": alpha}))
    assert said in text
    assert text.startswith("Over 5 of 5 seeds the kernel turned by 60.")


@pytest.mark.parametrize(
    ("benefit", "said"),
    [
        (Estimate(0.05, 0.02, 0.08, 5), "Non-linear training after w adds accuracy (5.0 points"),
        (Estimate(0.01, -0.02, 0.03, 5), "is not told apart from 0 (1.0 points"),
        (Estimate(-0.05, -0.08, -0.02, 5), "Non-linear training after w costs accuracy"),
    ],
)
def test_a_benefit_is_one_only_with_its_whole_interval(benefit: Estimate, said: str) -> None:
    found = row("A")
    assert said in record_sentence(replace(found, figures={**found.figures, "benefit": benefit}))


def test_a_record_without_a_cone_says_why() -> None:
    found = row("A")
    none = {**found.figures, "turn_deg": None, "cone_deg": None}
    lost = replace(found, figures=none, reasons=(("diverged", "diverged in 5 of 5 seeds"),))
    text = "Not ranked: no cone was measured (diverged in 5 of 5 seeds)."
    assert record_sentence(lost) == text
    assert rank_sentence(lost) == ""
    assert rank_sentence(replace(found, reasons=lost.reasons)) == (
        "Not ranked (diverged in 5 of 5 seeds)."
    )
    assert rank_sentence(found) == ""


def test_one_record_or_seed_is_not_several() -> None:
    (group,) = group_rows([row("A")])
    confined, worth = so_far([group])
    assert confined.startswith("In 1 of 1 record the kernel ")
    assert worth.startswith(
        "Non-linear training after w raises accuracy in 1 of 1 record, by 5.0 points: "
    )
    assert record_sentence(row("A", seeds=[3])).startswith("Over 1 of 1 seed the kernel turned")
