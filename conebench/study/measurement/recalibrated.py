"""Block R: kernels with recalibrated statistics of BatchNorm."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from conebench.analysis.study import Effect, is_confined, mean_difference, mean_over_seeds
from conebench.study.effects import (
    BlockEffect,
    Cells,
    block_effect,
    cell_effect,
    find_probe_variance,
    seed_contrasts,
)
from conebench.study.figures import Cell
from conebench.study.findings import Finding
from conebench.study.measurement.comparison import Result, compare_intervals
from conebench.study.plan import RECALIBRATED
from conebench.study.responses import ALPHA, Response


def repeated_cells(cells: Cells) -> list[tuple[Cell, Cell]]:
    """Return cells with their repetition in block R, if both have a record."""
    named = [(cells.get(name), cells.get(twin)) for name, twin in RECALIBRATED.items()]
    # Anybody may name a spec study-r-..., whatever its kernels.
    modes = ("eval", "recalibrated")
    return [(a, b) for a, b in named if a and b and (a.batchnorm, b.batchnorm) == modes]


def recalibrated_change(cells: Cells, response: Response) -> Effect | None:
    """Return how recalibrated statistics change a response, as the mean over block R.

    The change is taken within a cell and a seed, and averaged over the cells first.
    """
    pairs = repeated_cells(cells)
    seeds = sorted({seed for cell, _ in pairs for seed in cell.seed_numbers})
    return mean_over_seeds(
        [
            mean_difference([(b.value(seed, response), a.value(seed, response)) for a, b in pairs])
            for seed in seeds
        ]
    )


def confined_cells(cells: Cells) -> tuple[int, int, int]:
    """Count the repeated cells that are confined with each kind of statistics.

    Returns:
        The number with running statistics, the number with recalibrated ones, and the number of
        cells that can be judged with both.

    """
    probes = find_probe_variance(cells, ALPHA)
    judged = [
        tuple(is_confined(cell_effect(cell, ALPHA, probes)) for cell in pair)
        for pair in repeated_cells(cells)
    ]
    both = [pair for pair in judged if None not in pair]
    running, recalibrated = (sum(pair[i] is True for pair in both) for i in (0, 1))
    return running, recalibrated, len(both)


@dataclass(frozen=True)
class RecalibratedTest:
    """A test of the kernel with running and with recalibrated statistics."""

    finding: Finding
    running: BlockEffect
    recalibrated: BlockEffect
    # The second effect minus the first one, within seeds.
    change: Effect | None

    @property
    def result(self) -> Result | None:
        """The second interval, compared with the first. None without both."""
        return compare_intervals(self.running.effect, self.recalibrated.effect)


def recalibrated_tests(findings: Sequence[Finding], cells: Cells) -> list[RecalibratedTest]:
    """Test every response of the kernel again, with the cells of block R in place of theirs.

    These are the tests that rest on a cell of block R. Those that cannot be made, since a
    repetition has no record or a figure is undefined, have no effects.
    """
    return [
        _recalibrated_test(finding, cells)
        for finding in findings
        if finding.response.of_kernel and finding.verdict != "undefined"
        if RECALIBRATED.keys() & finding.hypothesis.test.names
    ]


def _recalibrated_test(finding: Finding, cells: Cells) -> RecalibratedTest:
    contrast, response = finding.hypothesis.test, finding.response
    names = [name for name in contrast.names if name in RECALIBRATED]
    pairs = {a.spec: (a, b) for a, b in repeated_cells(cells) if a.spec in names}
    missing = tuple(RECALIBRATED[name] for name in names if name not in pairs)
    if missing:
        none = BlockEffect(contrast.block, None, 0, 1.0, missing)
        return RecalibratedTest(finding, none, none, None)
    probes = find_probe_variance(cells, response)
    # Both tests rest on the same seeds of the same cells.
    sides = [
        {
            **cells,
            **{name: _with_both(pair[i], pair[1 - i], response) for name, pair in pairs.items()},
        }
        for i in (0, 1)
    ]
    running, recalibrated = (
        block_effect(contrast, finding.hypothesis, response, side, probes) for side in sides
    )
    before, after = (seed_contrasts(contrast, finding.hypothesis, response, side) for side in sides)
    changes = [mean_difference([(after[seed][0], before[seed][0])]) for seed in before]
    return RecalibratedTest(finding, running, recalibrated, mean_over_seeds(changes))


def _with_both(cell: Cell, other: Cell, response: Response) -> Cell:
    """Return a cell with those seeds in which another cell has the response, too."""
    seeds = tuple(s for s in cell.seeds if other.value(s.seed, response) is not None)
    return replace(cell, seeds=seeds)
