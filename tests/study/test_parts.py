"""The claim, outcomes, doses, shares, block F and the papers, on simulated studies."""

import math
from dataclasses import replace

import numpy as np
import pytest
from simulated_study import simulate

from conebench.analysis.study import decompose
from conebench.study.claims import claim_counts, claims
from conebench.study.confront import paper_rows
from conebench.study.doses import dose_curves
from conebench.study.outcomes import outcome_rows
from conebench.study.plan import A_DESIGN, BLOCKS, CENTER
from conebench.study.responses import CONE, PRIMARY, TURN
from conebench.study.shares import shares
from conebench.study.words.claim import claim_sentences
from conebench.study.words.findings import coverage_sentence

UNCONFINED = {"alpha": lambda levels: 1.0 if levels["architecture"].startswith("vit") else 0.0}


def test_the_claim_is_judged_in_every_cell_but_those_of_measurement() -> None:
    found = claims(simulate(UNCONFINED))
    assert len(found) == sum(len(names) for block, names in BLOCKS.items() if block != "F")
    counts = claim_counts(found)
    assert counts["the kernel moves"] == (93, 93)
    assert counts["it is confined"] == (90, 93)
    assert counts["all three"][0] <= 90
    said = claim_sentences(found)
    assert "(blocks center, A, B, C, D and E; intervals are not" in said[0]
    assert "it is confined in 90 of 93 cells" in said[0]
    assert said[1] == "α is not shown to be below 1 in 3 cells: above 1 in 3."
    assert len(said) == 2
    assert claim_sentences([]) == []


def test_the_claim_says_what_the_other_cells_show() -> None:
    """One cell's alpha is above 1, one's contains 1; benefits are negative, none, or open."""
    effects = {
        "alpha": lambda levels: {4.0: 1.0, 16.0: 0.7}.get(levels.get("width"), 0.0),
        "benefit": lambda levels: {4.0: -0.1, 16.0: -0.05, 8.0: 0.1}[levels["width"]],
    }
    names = [CENTER, "study-b-width-4", "study-b-width-16"]
    cells = simulate(effects, names=names)
    wild = cells["study-b-width-16"]
    seeds = [
        replace(
            seed,
            values={
                **seed.values,
                "motion": 10.0**-seed.seed,
                "benefit": (seed.seed - 2) / 100,
            },
        )
        for seed in wild.seeds
    ]
    cells["study-b-width-16"] = replace(wild, seeds=tuple(seeds))
    assert claim_sentences(claims(cells))[1:] == [
        "In 1 cell motion is above 0 in every seed, but its interval contains 0.",
        "α is not shown to be below 1 in 2 cells: above 1 in 1, open in 1.",
        "B(w) is not shown to be above 0 in 2 cells: below 0 in 1, open in 1.",
    ]


def test_a_cell_with_an_undefined_figure_is_not_counted() -> None:
    undefined = [(CENTER, seed, "alpha") for seed in range(4)]
    (found,) = claims(simulate(names=[CENTER], undefined=undefined))
    assert found.claim.confined is None
    assert claim_counts([found])["it is confined"] == (0, 0)


def test_outcomes_are_counted_by_level_and_odd_cells_by_name() -> None:
    cells = simulate()
    names = ["study-a-none-lr0.04-b16-w4", "study-b-lr-0.2"]
    for name in names:
        seeds = [replace(seed, outcome="diverged") for seed in cells[name].seeds]
        cells[name] = replace(cells[name], seeds=tuple(seeds))
    found = {(row.block, row.factor, row.level): row for row in outcome_rows(cells)}
    rows = {key: row.counts["diverged"] for key, row in found.items()}
    assert found["A", "width", "4"].cells["diverged"] == 1
    assert found["A", "width", "4"].cells["two phases"] == 7
    assert (rows["A", "width", "4"].number, rows["A", "width", "4"].total) == (5, 40)
    assert rows["A", "width", "16"].number == 0
    assert rows["B", "", "study-b-lr-0.2"].number == 5
    assert ("B", "", "study-b-lr-0.1") not in rows
    assert outcome_rows({}) == []


def test_doses_go_over_the_levels_that_are_there() -> None:
    slope = {"cone": lambda levels: 0.3 * math.log2(levels["learning rate"] / 0.02)}
    names = [CENTER, "study-b-lr-0.005", "study-b-lr-0.2", "study-b-width-4"]
    curves = dose_curves(simulate(slope, names=names), [CONE])
    assert [(curve.dose.factor, curve.levels) for curve in curves] == [
        ("learning rate", (0.005, 0.02, 0.2)),
        ("width", (4.0, 8.0)),
    ]
    means = [effect.value for effect in curves[0].effects]
    assert np.diff(means) == pytest.approx([0.6, 0.3 * math.log2(10)], abs=0.4)
    assert set(curves[0].seeds) == {0, 1, 2, 3, 4}


def test_shares_need_every_cell_and_name_those_that_are_missing() -> None:
    cells = simulate({"cone": lambda levels: 1.0 if levels.get("width") == 16 else 0.0})
    found = {(s.block, s.response.key): s for s in shares(cells)}
    cone = found["A", "cone"]
    assert cone.name(cone.found.effects[0].factors) == "width"
    assert cone.found.effects[0].share > 0.9
    del cells["study-a-bn-lr0.01-b16-w4"]
    later = {(s.block, s.response.key): s for s in shares(cells)}
    assert later["A", "cone"].found is None
    assert later["A", "cone"].missing == ("study-a-bn-lr0.01-b16-w4",)
    assert later["C", "cone"].found == found["C", "cone"].found


def test_an_undefined_value_drops_its_seed_from_the_shares() -> None:
    name = next(iter(A_DESIGN))
    cells = simulate(undefined=[(name, 2, "turn")])
    turn = next(s for s in shares(cells) if (s.block, s.response) == ("A", TURN))
    values = np.array(
        [[float(cells[n].value(seed, TURN)[0]) for n in A_DESIGN] for seed in (0, 1, 3, 4)]
    )
    assert turn.found == decompose(values, np.array(list(A_DESIGN.values())))


def test_papers_rows_are_of_cells_in_their_set_up() -> None:
    assert paper_rows(simulate(names=[CENTER])) == []
    rows = paper_rows(simulate(names=["resnet20-c2-jpeg"]))
    reported = {row.figure.key: row.reported for row in rows}
    assert reported["S(0, late)"] == "0.15-0.2"
    # The simulated cell has no such figures.
    assert {row.ours for row in rows} == {None}


def test_coverage_counts_cells_by_block() -> None:
    assert coverage_sentence({}).startswith(
        "0 of 105 cells have a record (center 0 of 1, A 0 of 16"
    )
    assert "B 1 of 40" in coverage_sentence(simulate(names=["study-b-mse"]))


def test_every_primary_response_is_decomposed_in_both_factorials() -> None:
    found = shares(simulate())
    assert len(found) == 2 * len(PRIMARY)
