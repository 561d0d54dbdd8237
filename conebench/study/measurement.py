"""What measurement does: block F, averaged weights of block A, recalibrated kernels of block R."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from conebench.analysis.study import Effect, judge_claim, mean_over_seeds
from conebench.study.effects import (
    BlockEffect,
    Cells,
    block_effect,
    cell_effect,
    find_probe_variance,
)
from conebench.study.figures import Cell
from conebench.study.findings import Finding
from conebench.study.plan import BLOCKS, CENTER, RECALIBRATED
from conebench.study.responses import ALPHA, Response

# What becomes of a finding at recalibrated statistics.
State = Literal["stays", "turns around", "is lost"]


@dataclass(frozen=True)
class MeasuredChange:
    """A figure measured otherwise, minus that of the center, within seeds."""

    cell: str
    response: Response
    effect: Effect | None


def measured_changes(cells: Cells, responses: Sequence[Response]) -> list[MeasuredChange]:
    """Compare every cell of block F with the center."""
    # There is nothing else to compare with.
    if CENTER not in cells:
        return []
    center = cells[CENTER]
    return [
        MeasuredChange(name, response, _difference(cells[name], center, response))
        for name in BLOCKS["F"]
        if name in cells
        for response in responses
    ]


def _difference(cell: Cell, center: Cell, response: Response) -> Effect | None:
    rows = []
    for seed in cell.seed_numbers:
        one, other = cell.value(seed, response), center.value(seed, response)
        rows.append(None if one is None or other is None else one - other)
    return mean_over_seeds(rows)


def averaged_change(cells: Cells, response: Response) -> Effect | None:
    """Compare kernels at averaged weights with those at the weights, in block A.

    Within a seed the changes are averaged over the cells. The question is exploratory: is the
    motion in the cone the jitter of SGD from step to step?
    """
    known = [cells[name] for name in BLOCKS["A"] if name in cells]
    return _mean_change(known, lambda cell, seed: _averaged(cell, seed, response))


def _mean_change(
    known: Sequence[Cell], change_of: Callable[[Cell, int], float | None]
) -> Effect | None:
    """Return the mean over seeds of a change, averaged over the cells within each seed."""
    rows = []
    for seed in sorted({seed for cell in known for seed in cell.seed_numbers}):
        changes = [change for cell in known if (change := change_of(cell, seed)) is not None]
        rows.append(np.array([np.mean(changes)]) if changes else None)
    return mean_over_seeds(rows)


def _averaged(cell: Cell, number: int, response: Response) -> float | None:
    values = next((seed.values for seed in cell.seeds if seed.seed == number), {})
    found = [values.get(key) for key in (f"{response.key}@averaged", response.key)]
    at_average, at_weights = (None if v is None else response.analyzed(v) for v in found)
    return None if at_average is None or at_weights is None else at_average - at_weights


def recalibrated_change(cells: Cells, response: Response) -> Effect | None:
    """Compare kernels at recalibrated statistics with those at running ones, in block R.

    Within a seed the changes are averaged over the cells.
    """

    def change(cell: Cell, seed: int) -> float | None:
        found = [c.value(seed, response) for c in (cells[RECALIBRATED[cell.spec]], cell)]
        return None if found[0] is None or found[1] is None else float(found[0][0] - found[1][0])

    return _mean_change([cell for cell, _ in repeated_cells(cells)], change)


def repeated_cells(cells: Cells) -> list[tuple[Cell, Cell]]:
    """Return cells with their repetition in block R, where both are there."""
    pairs = RECALIBRATED.items()
    return [(cells[name], cells[twin]) for name, twin in pairs if name in cells and twin in cells]


def confined_cells(cells: Cells) -> tuple[int, int, int]:
    """Count the cells of block R that are confined, and those judged either way.

    Returns:
        The number confined with running statistics, with recalibrated ones, and judged in both.

    """
    probes = find_probe_variance(cells, ALPHA)
    judged = [
        tuple(judge_claim(None, cell_effect(cell, ALPHA, probes), None).confined for cell in pair)
        for pair in repeated_cells(cells)
    ]
    both = [pair for pair in judged if None not in pair]
    return sum(pair[0] is True for pair in both), sum(pair[1] is True for pair in both), len(both)


@dataclass(frozen=True)
class RecalibratedTest:
    """A finding about the kernel, and the same contrast with the cells of block R."""

    finding: Finding
    recalibrated: BlockEffect

    @property
    def state(self) -> State | None:
        """What becomes of the finding. None where the second effect has no interval."""
        effect = self.recalibrated.effect
        ends = effect.interval() if effect else None
        if ends is None or effect is None or self.finding.effect is None:
            return None
        if ends[0] <= 0 <= ends[1]:
            return "is lost"
        same = (effect.value > 0) == (self.finding.effect.value > 0)
        return "stays" if same else "turns around"


def recalibrated_tests(findings: Sequence[Finding], cells: Cells) -> list[RecalibratedTest]:
    """Make every finding's test once more, with the cells of block R in place of theirs.

    Findings about the kernel count, where all repetitions of their cells are there.
    """
    exchanged = {**cells, **{cell.spec: twin for cell, twin in repeated_cells(cells)}}
    return [
        RecalibratedTest(
            finding,
            block_effect(
                finding.hypothesis.test,
                finding.hypothesis,
                finding.response,
                exchanged,
                find_probe_variance(cells, finding.response),
            ),
        )
        for finding in findings
        if finding.verdict == "found" and finding.response.of_kernel
        if (names := set(finding.hypothesis.test.names) & RECALIBRATED.keys())
        if all(RECALIBRATED[name] in cells for name in names)
    ]
