"""Figures measured otherwise: block F, and averaged weights of block A."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conebench.analysis.study import Effect, mean_over_seeds
from conebench.study.effects import Cells
from conebench.study.figures import Cell
from conebench.study.plan import BLOCKS, CENTER
from conebench.study.responses import Response


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
    rows = []
    for seed in sorted({seed for cell in known for seed in cell.seed_numbers}):
        changes = [
            change for cell in known if (change := _averaged(cell, seed, response)) is not None
        ]
        rows.append(np.array([np.mean(changes)]) if changes else None)
    return mean_over_seeds(rows)


def _averaged(cell: Cell, number: int, response: Response) -> float | None:
    values = next((seed.values for seed in cell.seeds if seed.seed == number), {})
    found = [values.get(key) for key in (f"{response.key}@averaged", response.key)]
    at_average, at_weights = (None if v is None else response.analyzed(v) for v in found)
    return None if at_average is None or at_weights is None else at_average - at_weights
