"""Tests of the kernel in the view `full` and with VR, on simulated cells."""

import re
from dataclasses import replace

import pytest
from simulated_study import simulate

from conebench.study.findings import find_all
from conebench.study.measurement.views import FULL, RATIO, confined_in_full, view_tests
from conebench.study.words.measurement import view_sentence, view_sentences


def no_norm(change: float):
    """Return an effect of having no normalization."""
    return lambda levels: change * (levels.get("normalization") == "none")


def measured_otherwise(full: float, ratio: float = 0.0):
    """Return cells where no normalization adds 9° to turn, in the view `full` something else."""
    cells = simulate({"turn": no_norm(9.0), "alpha": no_norm(0.5), "VR": no_norm(ratio)})
    return {name: in_full(cell, full) for name, cell in cells.items()}


def in_full(cell, turn: float):
    """Return a cell with figures of the view `full`."""
    change = (turn - 9.0) * (cell.levels.get("normalization") == "none")
    seeds = [
        replace(
            seed,
            values=seed.values
            | {"turn@full": seed.values["turn"] + change, "alpha@full": seed.values["alpha"]},
        )
        for seed in cell.seeds
    ]
    return replace(cell, seeds=tuple(seeds))


def by_key(cells):
    return {
        (test.finding.hypothesis.row, test.finding.response.key, test.name): test
        for test in view_tests(find_all(cells), cells)
    }


@pytest.mark.parametrize(
    ("full", "result"), [(9.0, "remains"), (-9.0, "reversed"), (0.0, "not found")]
)
def test_a_test_is_made_again_in_the_view_full(full: float, result: str) -> None:
    test = by_key(measured_otherwise(full))["H1a", "turn", FULL]
    assert test.finding.verdict == "found"
    assert test.other.effect.value == pytest.approx(full, abs=0.5)
    assert test.result == result
    assert view_sentence(test).startswith("No normalization instead of BatchNorm: turn +8.")
    assert ", view full " in view_sentence(test)
    assert view_sentence(test).endswith(f": {result}.")


@pytest.mark.parametrize(("ratio", "result"), [(0.5, "remains"), (-0.5, "reversed")])
def test_alpha_is_tested_with_VR_too(ratio: float, result: str) -> None:
    tests = by_key(measured_otherwise(9.0, ratio))
    assert tests["H1a", "alpha", RATIO].result == result
    assert {key for _, key, name in tests if name == RATIO} == {"alpha"}


def test_findings_that_do_not_remain_are_counted() -> None:
    cells = measured_otherwise(-9.0)
    full, ratio, confined = view_sentences(cells, list(by_key(cells).values()))
    assert re.match(
        r"Of \d+ findings about the kernel, tested again in the view full, \d+ rem", full
    )
    assert ", 1 is reversed, " in full
    assert re.match(r"Of \d+ findings? about α, tested again with VR instead, ", ratio)
    assert confined == "In the view full, {} of {} cells are confined.".format(
        *confined_in_full(cells)
    )


def test_records_without_the_view_say_nothing_of_it() -> None:
    cells = simulate({"turn": no_norm(9.0)})
    tests = [test for test in view_tests(find_all(cells), cells) if test.name == FULL]
    assert {test.result for test in tests} == {None}
    assert view_sentences(cells, tests) == []
    assert view_sentence(tests[0]).endswith(" cannot be tested in another way yet.")
