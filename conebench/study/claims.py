"""The cone effect's own claim, in every cell."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conebench.analysis.study import Claim, Effect, judge_claim, mean_over_seeds
from conebench.study.effects import Cells, cell_effect, find_probe_variance
from conebench.study.figures import Cell
from conebench.study.plan import BLOCKS, CLAIM_BLOCKS
from conebench.study.responses import ALPHA, BENEFIT, MOTION


@dataclass(frozen=True)
class CellClaim:
    """The claim in one cell, with its figures."""

    cell: Cell
    motion: Effect | None
    alpha: Effect | None
    benefit: Effect | None
    claim: Claim


def claims(cells: Cells) -> list[CellClaim]:
    """Judge the cone effect's own claim in every cell."""
    names = [name for block in CLAIM_BLOCKS for name in BLOCKS[block] if name in cells]
    return [_cell_claim(cells[name], cells) for name in names]


def _cell_claim(cell: Cell, cells: Cells) -> CellClaim:
    motion = _plain_motion(cell, cells)
    alpha = cell_effect(cell, ALPHA, find_probe_variance(cells, ALPHA))
    benefit = cell_effect(cell, BENEFIT, None)
    return CellClaim(cell, motion, alpha, benefit, judge_claim(motion, alpha, benefit))


def _plain_motion(cell: Cell, cells: Cells) -> Effect | None:
    """Return motion itself, not its logarithm."""
    # The motion of a frozen kernel is 0, which has no logarithm.
    found = mean_over_seeds(
        [
            None if (value := seed.values.get(MOTION.key)) is None else np.array([value])
            for seed in cell.seeds
        ]
    )
    probes = find_probe_variance(cells, MOTION)
    if found is None or probes is None:
        return found
    # The variance of block F is one of logarithms.
    return found.widened(found.value**2 * probes.variance, probes.freedom)


def claim_counts(found: Sequence[CellClaim]) -> dict[str, tuple[int, int]]:
    """Count the cells where each statement holds."""
    parts = {
        "the kernel moves": [c.claim.moves for c in found],
        "it is confined": [c.claim.confined for c in found],
        "non-linear training after w adds accuracy": [c.claim.pays for c in found],
        "all three": [c.claim.holds for c in found],
    }
    return {
        name: (sum(v is True for v in values), sum(v is not None for v in values))
        for name, values in parts.items()
    }
