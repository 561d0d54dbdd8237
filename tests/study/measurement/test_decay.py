"""B(w) by what linear arms decay toward, on simulated cells."""

from dataclasses import replace

from simulated_study import simulate

from conebench.study.measurement.decay import decay_targets
from conebench.study.words.measurement import decay_sentences


def with_targets(*levels: str):
    """Return cells of block B, and cells of study-decay with a tenth of their B(w)."""
    cells = simulate(names=[f"study-b-weight-decay-{level}" for level in ("1e-3", "5e-3")])
    for level in levels:
        cell = cells[f"study-b-weight-decay-{level}"]
        seeds = [
            replace(s, values=s.values | {"benefit": s.values["benefit"] / 10}) for s in cell.seeds
        ]
        cells[f"study-decay-{level}"] = replace(cell, seeds=tuple(seeds))
    return cells


def test_levels_with_both_records_are_compared() -> None:
    (found,) = decay_targets(with_targets("5e-3"))
    assert found.level == "5e-3"
    assert found.toward_switch.value == found.toward_zero.value / 10
    (text,) = decay_sentences(with_targets("1e-3", "5e-3"))
    assert text.count(" instead of ") == 2
    assert " with weight decay 1e-3 and " in text


def test_without_them_nothing_is_said() -> None:
    assert decay_sentences(with_targets()) == []
