"""The board: groups, order, shared ranks, reasons, downloads."""

import csv
import io
import json
import math
from dataclasses import replace

import pytest
from synthetic import BASE_SPEC, make_record, make_spec

from conebench.analysis.intervals import Estimate
from conebench.record import Failure, Record, recompute
from conebench.site.board.download import frame_csv, frame_json
from conebench.site.board.frames import board_frame
from conebench.site.board.rows import Row, filters_of, group_rows, row_of
from conebench.site.board.sentences import agreement


def row(record: Record) -> Row:
    return row_of(record, record.id)


def test_rows_are_ordered_by_strength_and_share_ranks_where_seeds_leave_them_open():
    strong, similar, weak = (
        make_record(make_spec(title=f"Noise {noise}"), noise=noise) for noise in (0.1, 0.101, 0.3)
    )
    (group,) = group_rows([row(r) for r in (weak, strong, similar)])
    values = [r.figures["CES"].value for r in group.rows]
    assert values == sorted(values, reverse=True)
    assert [(r.rank, r.last_rank) for r in group.rows] == [(1, 2), (1, 2), (3, 3)]
    assert [r.rank_text for r in group.rows] == ["1–2", "1–2", "3"]
    assert group.rows[-1].record_id == weak.id


def test_only_rows_of_one_comparability_key_are_ranked_together():
    digits = make_record()
    mnist = make_record(make_spec(dataset={"name": "mnist"}))
    summed = make_record(
        make_spec(kernel={"samples": 50, "outputs": "sum", "checkpoints": {"every": 50}})
    )
    groups = group_rows([row(r) for r in (mnist, summed, digits)])
    rest = "50 probe images, BatchNorm eval, window from 0.3, 20 intervals, schema 1"
    assert [g.label for g in groups] == [
        f"digits, sum view, {rest}",
        f"digits, trace view, {rest}",
        f"mnist, trace view, {rest}",
    ]
    assert [r.rank for g in groups for r in g.rows] == [1, 1, 1]


def diverged() -> Record:
    """Return a record whose first seed diverged."""
    record = make_record()
    full = record.seeds[0].arms[0]
    lost = {"status": "diverged", "diverged_at": 400, "test_accuracy": None, "test_loss": None}
    arms = [full.model_copy(update={**lost, "correct": None}), *record.seeds[0].arms[1:]]
    first = record.seeds[0].model_copy(update={"arms": arms})
    return recompute(record.model_copy(update={"seeds": [first, *record.seeds[1:]]}))


def first_seeds(count: int, status: str) -> Record:
    record = make_record()
    return recompute(record.model_copy(update={"seeds": record.seeds[:count], "status": status}))


def one_seed_repeated() -> Record:
    record = make_record()
    return record.model_copy(update={"seeds": [record.seeds[0]] * 5})


def of_method_2() -> Record:
    """Return a record of an older schema without an arm at w."""
    record = make_record(make_spec(switching={"steps": [100, 500]}))
    return record.model_copy(update={"schema_version": "1.3"})


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: make_record(make_spec(seeds=[5])), "1 seed, a rank needs 5"),
        (lambda: first_seeds(2, "partial"), "partial: 2 of 5 seeds; 2 seeds, a rank needs 5"),
        (lambda: first_seeds(2, "complete"), "partial: 2 of 5 seeds; 2 seeds, a rank needs 5"),
        (one_seed_repeated, "partial: 1 of 5 seeds"),
        (of_method_2, "method 2 run: no arm at w = 300"),
        (lambda: make_record(noise=0), "frozen in 5 of 5 seeds"),
    ],
)
def test_an_unranked_row_says_why_and_comes_last(make, reason):
    ranked = row(make_record(make_spec(title="Ranked"), noise=0.2))
    (group,) = group_rows([row(make()), ranked])
    assert [r.rank for r in group.rows] == [1, None]
    assert (group.rows[1].reason, group.rows[1].rank_text) == (reason, "unranked")


def test_runs_of_one_spec_fold_into_the_earliest_that_can_be_ranked():
    first, again = make_record(), make_record(noise=0.11)
    later = again.provenance.model_copy(update={"created_at": "2026-05-05T00:00:00Z"})
    again = again.model_copy(update={"provenance": later})
    early = first_seeds(2, "partial").model_copy(
        update={"provenance": first.provenance.model_copy(update={"created_at": "2025-01-01"})}
    )
    (group,) = group_rows([row(r) for r in (again, early, first)])
    assert [r.record_id for r in group.shown] == [first.id]
    assert {r.record_id for r in group.twins(group.shown[0])} == {again.id, early.id}
    assert [r.rank for r in group.rows] == [1, None, None]
    reason = f"another run of the spec of {first.id}"
    assert all(r.reason.endswith(reason) for r in group.twins(group.shown[0]))
    assert agreement(group.shown[0], group.twins(group.shown[0])).startswith("3 runs, agree to ")
    assert agreement(group.shown[0], []) == ""
    assert agreement(group.shown[0], [group.shown[0]]) == "2 runs, equal"


def test_a_partial_record_does_not_count_in_the_ranks_of_others():
    strong_but_partial = first_seeds(2, "partial")
    weak = make_record(make_spec(title="Weak"), noise=0.2)
    (group,) = group_rows([row(strong_but_partial), row(weak)])
    assert [(r.record_id, r.rank) for r in group.rows] == [
        (weak.id, 1),
        (strong_but_partial.id, None),
    ]


def test_a_stage_that_failed_is_named():
    failure = Failure(seed=1, stage="probe(100)", reason="out of memory")
    record = make_record().model_copy(update={"status": "partial", "failures": [failure]})
    assert row(record).reason.endswith("; seed 1: probe(100) failed: out of memory")
    assert row(record).rank is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_figure_that_is_no_number_is_refused(value):
    record = make_record()
    summary = replace(record.summary, alpha=Estimate(value, None, None, 3))
    with pytest.raises(ValueError, match="not a finite number"):
        row_of(record.model_copy(update={"summary": summary}), "0" * 8)


def test_downloads_hold_raw_numbers_and_nulls():
    record = make_record()
    groups = group_rows([row(record), row(make_record(noise=0))])
    measured, undefined = json.loads(frame_json(board_frame(groups)))
    assert measured["CES"] == record.summary.CES.value
    assert measured["A_full_low"] == record.summary.A_full.low
    assert (measured["rank"], measured["record"]) == (1, record.id)
    assert undefined["rank"] is None
    assert undefined["CES"] is None
    table = list(csv.DictReader(io.StringIO(frame_csv(board_frame(groups)))))
    assert float(table[0]["CES"]) == record.summary.CES.value
    assert table[1]["CES"] == ""
    assert set(table[0]) == set(measured)


@pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_text_that_would_run_as_a_formula_is_guarded_in_the_csv_only(title):
    groups = group_rows([row(make_record(make_spec(title=title)))])
    (cells,) = csv.DictReader(io.StringIO(frame_csv(board_frame(groups))))
    assert cells["title"] == f"'{title}"
    assert json.loads(frame_json(board_frame(groups)))[0]["title"] == title


def test_a_negative_number_is_not_guarded():
    below_zero = replace(row(make_record()), figures={"alpha": Estimate(-0.5, -1.0, 0.0, 3)})
    figures = {**row(make_record()).figures, **below_zero.figures}
    text = frame_csv(board_frame(group_rows([replace(below_zero, figures=figures)])))
    (cells,) = csv.DictReader(io.StringIO(text))
    assert float(cells["alpha_low"]) == -1


@pytest.mark.parametrize(
    ("shape", "outcomes"),
    [
        ({}, ("measured",)),
        ({"turn_deg": 0}, ("measured", "no Phase I")),
        ({"noise": 0}, ("frozen",)),
    ],
)
def test_a_row_is_filtered_by_its_outcome_and_those_of_its_seeds(shape, outcomes):
    found = row(make_record(**shape))
    assert found.filter_values["outcome"] == outcomes
    (group,) = group_rows([found])
    filters = {chosen.key: chosen.values for chosen in filters_of([group])}
    assert filters["outcome"] == tuple(sorted(outcomes))


def test_outcomes_are_counted_over_seeds():
    assert row(make_record()).outcomes_text == "two phases: 5 of 5"
    found = row(diverged())
    assert found.outcomes_text == "diverged: 1 of 5, two phases: 4 of 5"
    assert "diverged" in found.filter_values["outcome"]


def test_a_seed_without_phase_ii_is_named_once():
    cosine = make_spec(training={**BASE_SPEC["training"], "schedule": {"name": "cosine"}})
    assert row(make_record(cosine)).filter_values["outcome"] == ("no constant learning rate",)
    assert row(first_seeds(2, "partial")).filter_values["outcome"] == ("partial",)
