"""Block F, averaged weights and recalibrated kernels, on simulated cells."""

from dataclasses import replace

import numpy as np
import pytest
from simulated_study import simulate

from conebench.study.effects import find_probe_variance
from conebench.study.findings import find_all
from conebench.study.measurement.changes import averaged_change, measured_changes
from conebench.study.measurement.recalibrated import (
    confined_cells,
    recalibrated_change,
    recalibrated_tests,
)
from conebench.study.plan import A_DESIGN, BLOCKS, CENTER, RECALIBRATED
from conebench.study.responses import ALPHA, CONE, TURN
from conebench.study.words.measurement import recalibrated_sentence, recalibrated_sentences


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


def shifted(cell, change: float):
    """Return a cell with a larger alpha."""
    seeds = [
        replace(seed, values={**seed.values, "alpha": seed.values["alpha"] + change})
        for seed in cell.seeds
    ]
    return replace(cell, seeds=tuple(seeds))


def with_recalibrated(cells, change: float):
    """Return cells with a larger alpha in block R."""
    twins = RECALIBRATED.values()
    return {name: shifted(cell, change) if name in twins else cell for name, cell in cells.items()}


def no_norm_test(cells):
    """Return the test of H1a on alpha."""
    tests = recalibrated_tests(find_all(cells), cells)
    return next(
        t for t in tests if (t.finding.hypothesis.row, t.finding.response) == ("H1a", ALPHA)
    )


@pytest.mark.parametrize(
    ("effect", "shift", "result"),
    [
        (0.5, 0.0, "remains"),
        (0.5, 0.5, "not found"),
        (0.5, 1.0, "reversed"),
        (0.0, -0.5, "appears"),
        (0.0, 0.0, "not found"),
    ],
)
def test_a_test_is_made_again_with_recalibrated_cells(
    effect: float, shift: float, result: str
) -> None:
    test = no_norm_test(with_recalibrated(simulate(no_norm(effect)), shift))
    assert test.running.effect == test.finding.effect
    assert test.running.effect.value == pytest.approx(effect, abs=0.02)
    assert test.recalibrated.effect.value == pytest.approx(effect - shift, abs=0.02)
    assert test.change.value == pytest.approx(
        test.recalibrated.effect.value - test.running.effect.value
    )
    # Of true effects of 0, one in twenty has an interval without it; not so with these seeds.
    assert test.result == result
    sentence = recalibrated_sentence(test)
    assert sentence.startswith("No normalization instead of BatchNorm: α ")
    assert sentence.endswith(f", 5 seeds, 80 runs: {result}.")


def test_a_test_waits_for_all_repetitions_of_its_cells() -> None:
    cells = simulate(no_norm(0.5))
    name = "study-r-a-bn-lr0.01-b16-w4"
    for changed in ({**cells, name: replace(cells[name], batchnorm="eval")}, without(cells, name)):
        test = no_norm_test(changed)
        assert test.result is None
        assert test.recalibrated.missing == (name,)
        assert recalibrated_sentence(test) == (
            "No normalization instead of BatchNorm: α cannot be tested with recalibrated "
            "statistics yet."
        )
        assert recalibrated_sentences(changed, [test])[-1] == "1 more test cannot be made yet."


def without(cells, name: str):
    return {key: cell for key, cell in cells.items() if key != name}


def test_both_tests_have_the_seeds_where_both_are_defined() -> None:
    twin = "study-r-a-bn-lr0.01-b16-w4"
    full = no_norm_test(simulate(no_norm(0.5)))
    undefined = simulate(no_norm(0.5), undefined=[(twin, seed, "alpha") for seed in (0, 1)])
    part = no_norm_test(undefined)
    # In two seeds a pair of the eight is left out of both.
    assert (part.running.runs, part.recalibrated.runs) == (76, 76)
    assert part.running.effect.value != full.running.effect.value
    few = {**undefined, twin: replace(undefined[twin], seeds=undefined[twin].seeds[3:])}
    assert no_norm_test(few).running.runs == 74


def test_tests_without_a_cell_of_block_r_and_without_the_kernel_are_left_out() -> None:
    cells = simulate()
    tests = recalibrated_tests(find_all(cells), cells)
    assert {test.finding.hypothesis.row for test in tests} == (
        {"H1a", "H1b", "H2", "H3a", "H3b", "H4a", "H4b", "H5a", "H5b"}
        | {"H6a", "H7", "H8", "H9", "H10a", "H10b"}
    )
    assert all(test.finding.response.of_kernel for test in tests)
    assert len(tests) == 62


def test_own_probe_sets_widen_both_intervals_but_not_the_change() -> None:
    cells = simulate()
    response = next(r for r in (TURN, CONE, ALPHA) if find_probe_variance(cells, r).variance > 0)
    tests = recalibrated_tests(find_all(cells), cells)
    test = next(
        t for t in tests if (t.finding.hypothesis.row, t.finding.response) == ("H5b", response)
    )
    running, after = (
        [cells[a].value(i, response)[0] - cells[b].value(i, response)[0] for i in range(5)]
        for a, b in (
            ("study-b-random-labels", CENTER),
            ("study-r-b-random-labels", "study-r-center"),
        )
    )
    widening = 2 * find_probe_variance(cells, response).variance
    for effect, values in ((test.running.effect, running), (test.recalibrated.effect, after)):
        expected = np.var(values, ddof=1) / 5 + widening
        assert effect.squared_error == pytest.approx(expected)
    changes = np.subtract(after, running)
    assert test.change.squared_error == pytest.approx(np.var(changes, ddof=1) / 5)


def test_the_mean_change_is_taken_within_seeds_and_confined_cells_are_counted() -> None:
    cells = simulate(names=[CENTER, "study-b-mse", "study-r-center", "study-r-b-mse"])
    cells["study-r-b-mse"] = shifted(cells["study-r-b-mse"], 1.0)
    effect = recalibrated_change(cells, ALPHA)
    pairs = [(cells[RECALIBRATED[name]], cells[name]) for name in (CENTER, "study-b-mse")]
    changes = [
        np.mean([a.value(seed, ALPHA)[0] - b.value(seed, ALPHA)[0] for a, b in pairs])
        for seed in range(5)
    ]
    assert effect.value == pytest.approx(np.mean(changes))
    assert effect.squared_error == pytest.approx(np.var(changes, ddof=1) / 5)
    assert confined_cells(cells) == (2, 1, 2)
    summary = recalibrated_sentences(cells, [])
    assert summary[0] == "Block R, exploratory: 2 of its 24 cells have a record."
    assert summary[1].startswith(
        "Mean change within seeds, recalibrated minus running statistics: turn "
    )
    assert summary[2:] == [
        "With running statistics 2 of 2 cells are confined; with recalibrated statistics, 1."
    ]


def test_results_are_counted() -> None:
    cells = with_recalibrated(simulate(no_norm(0.5)), 1.0)
    tests = recalibrated_tests(find_all(cells), cells)
    counts = recalibrated_sentences(cells, tests)[3:]
    assert counts[0] == (
        "Of 1 finding about the kernel that rests on them, 0 remain, 1 is reversed, "
        "0 are not found."
    )
    assert counts[1].startswith("Of 61 other such tests, ")
    assert counts[1].endswith(" only with recalibrated statistics.")


def test_without_block_r_nothing_is_said_of_it() -> None:
    cells = simulate(names=[CENTER, "study-b-mse"])
    assert recalibrated_sentences(cells, recalibrated_tests(find_all(cells), cells)) == []
    assert recalibrated_change(cells, ALPHA) is None
    assert confined_cells(cells) == (0, 0, 0)
