"""Outcomes of seeds, counted by level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conebench.analysis.study import Count, count_of
from conebench.study.effects import Cells
from conebench.study.figures import Cell
from conebench.study.levels import level_text
from conebench.study.plan import A_DESIGN, A_FACTORS, BLOCKS, C_DESIGN, C_FACTORS

# Blocks that are no factorials; F measures the center again.
SINGLE_BLOCKS = ("center", "B", "D", "E")
USUAL = "two phases"
OUTCOMES = (USUAL, "no Phase I", "no Phase II", "frozen", "diverged")


@dataclass(frozen=True)
class OutcomeRow:
    """Outcomes of the seeds at one level of one factor."""

    block: str
    factor: str
    level: str
    counts: Mapping[str, Count]
    # Cells where at least one seed has the outcome.
    cells: Mapping[str, int]


def outcome_rows(cells: Cells) -> list[OutcomeRow]:
    """Count outcomes by level, or by cell.

    Of single cells, only those are listed where a seed has another outcome than two phases.
    """
    rows: list[OutcomeRow] = []
    for block, design, factors in (("A", A_DESIGN, A_FACTORS), ("C", C_DESIGN, C_FACTORS)):
        for at, factor in enumerate(factors):
            for sign in (-1, 1):
                names = [n for n, signs in design.items() if signs[at] == sign and n in cells]
                rows += _outcome_row(block, factor, names, cells)
    for block in SINGLE_BLOCKS:
        for name in BLOCKS[block]:
            if name in cells and is_odd(cells[name]):
                rows += _outcome_row(block, "", [name], cells)
    return rows


def is_odd(cell: Cell) -> bool:
    """Return True if a seed lacks two phases."""
    return any(seed.outcome != USUAL for seed in cell.seeds)


def _outcome_row(block: str, factor: str, names: Sequence[str], cells: Cells) -> list[OutcomeRow]:
    found = [seed.outcome for name in names for seed in cells[name].seeds]
    if not found:
        return []
    counts = {name: count_of(found.count(name), len(found)) for name in OUTCOMES}
    level = level_text(cells[names[0]].levels.get(factor)) if factor else names[0]
    having = {
        outcome: sum(any(s.outcome == outcome for s in cells[name].seeds) for name in names)
        for outcome in OUTCOMES
    }
    return [OutcomeRow(block, factor, level, counts, having)]
