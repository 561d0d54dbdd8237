"""What measurement does to the study's figures, on simulated cells."""

from dataclasses import replace

import numpy as np
import pytest
from simulated_study import simulate

from conebench.study.findings import find_all
from conebench.study.measurement import (
    averaged_change,
    confined_cells,
    measured_changes,
    recalibrated_change,
    recalibrated_tests,
)
from conebench.study.plan import A_DESIGN, BLOCKS, CENTER, RECALIBRATED
from conebench.study.responses import ALPHA, CONE
from conebench.study.sentences import recalibrated_sentence, recalibrated_sentences

TWINS = set(RECALIBRATED.values())


def test_block_f_is_compared_with_the_center_within_seeds() -> None:
    cells = simulate()
    changes = measured_changes(cells, [CONE])
    assert [change.cell for change in changes] == list(BLOCKS["F"])
    expected = [
        cells["study-f-float64"].value(seed, CONE)[0] - cells[CENTER].value(seed, CONE)[0]
        for seed in (0, 1, 2)
    ]
    (found,) = (change for change in changes if change.cell == "study-f-float64")
    assert found.effect.value == pytest.approx(np.mean(expected))
    del cells[CENTER]
    assert measured_changes(cells, [CONE]) == []


def test_averaged_weights_are_compared_within_seeds() -> None:
    cells = simulate(names=list(A_DESIGN)[:2])
    assert averaged_change(cells, CONE) is None
    for name, cell in cells.items():
        seeds = [
            replace(s, values={**s.values, "cone@averaged": s.values["cone"] - 0.1 * (1 + s.seed)})
            for s in cell.seeds
        ]
        cells[name] = replace(cell, seeds=tuple(seeds))
    effect = averaged_change(cells, CONE)
    assert effect.value == pytest.approx(-0.3)
    assert effect.squared_error == pytest.approx(np.var([1, 2, 3, 4, 5], ddof=1) / 500)


def no_norm(change: float):
    """Return an effect of having no normalization on alpha."""
    return {"alpha": lambda levels: change * (levels.get("normalization") == "none")}


@pytest.mark.parametrize(
    ("shift", "state"), [(0.0, "stays"), (0.5, "is lost"), (1.0, "turns around")]
)
def test_a_finding_is_tested_again_with_recalibrated_cells(shift: float, state: str) -> None:
    cells = simulate(no_norm(0.5))
    # Statistics that look like a cone: recalibrated kernels have a larger alpha.
    cells = {name: shifted(cell, shift) if name in TWINS else cell for name, cell in cells.items()}
    found = recalibrated_tests(find_all(cells), cells)
    (test,) = (t for t in found if (t.finding.hypothesis.row, t.finding.response) == ("H1a", ALPHA))
    assert test.finding.effect.value == pytest.approx(0.5, abs=0.05)
    assert test.recalibrated.effect.value == pytest.approx(0.5 - shift, abs=0.05)
    # With an effect of exactly 0, one interval in twenty misses it; these seeds are not among them.
    assert test.state == state
    text = recalibrated_sentence(test)
    assert text.startswith("No normalization instead of BatchNorm: α +0.")
    assert text.endswith(f": {state}.")


def shifted(cell, change: float):
    """Return a cell with a larger alpha."""
    seeds = [
        replace(seed, values={**seed.values, "alpha": seed.values["alpha"] + change})
        for seed in cell.seeds
    ]
    return replace(cell, seeds=tuple(seeds))


def test_a_finding_waits_for_all_repetitions_of_its_cells() -> None:
    cells = simulate(no_norm(0.5))
    del cells["study-r-a-bn-lr0.01-b16-w4"]
    rows = {test.finding.hypothesis.row for test in recalibrated_tests(find_all(cells), cells)}
    assert "H1a" not in rows


def test_findings_that_are_not_about_the_kernel_are_not_tested_again() -> None:
    cells = simulate(
        {"benefit": lambda levels: 0.2 * (levels["normalization"] == "group")},
        names=[CENTER, "study-b-group-norm", "study-r-center"],
    )
    findings = find_all(cells)
    assert [f.response.key for f in findings if f.verdict == "found"] == ["benefit"]
    assert recalibrated_tests(findings, cells) == []


def test_recalibration_is_compared_within_seeds_and_counted() -> None:
    cells = simulate(names=[CENTER, "study-b-mse", "study-r-center", "study-r-b-mse"])
    cells["study-r-b-mse"] = shifted(cells["study-r-b-mse"], 1.0)
    effect = recalibrated_change(cells, ALPHA)
    changes = [
        np.mean(
            [
                cells[RECALIBRATED[n]].value(s, ALPHA)[0] - cells[n].value(s, ALPHA)[0]
                for n in (CENTER, "study-b-mse")
            ]
        )
        for s in range(5)
    ]
    assert effect.value == pytest.approx(np.mean(changes))
    assert effect.squared_error == pytest.approx(np.var(changes, ddof=1) / 5)
    assert confined_cells(cells) == (2, 1, 2)
    summary = recalibrated_sentences(cells, [])
    assert summary[0].startswith(
        "Block R, exploratory: 2 of 24 cells with BatchNorm have been repeated with recalibrated "
        "kernels. Their change, within seeds: turn "
    )
    assert summary[1:] == [
        "Of 2 such cells 2 are confined with running statistics, 1 with recalibrated ones.",
        "Of 0 findings about the kernel that rest on such cells, "
        "0 stay, 0 turn around, 0 are lost.",
    ]


def test_without_block_r_nothing_is_said_of_it() -> None:
    cells = simulate(names=[CENTER, "study-b-mse"])
    assert recalibrated_sentences(cells, recalibrated_tests(find_all(cells), cells)) == []
    assert recalibrated_change(cells, ALPHA) is None
    assert confined_cells(cells) == (0, 0, 0)
