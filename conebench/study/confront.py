"""The papers' figures against ours."""

from dataclasses import dataclass

import numpy as np

from conebench.analysis.study import Effect, mean_over_seeds
from conebench.study.effects import Cells
from conebench.study.figures import Cell
from conebench.study.papers import PAPER_FIGURES, SPECS, PaperFigure, model_of


@dataclass(frozen=True)
class PaperRow:
    """A figure of a paper's against ours."""

    figure: PaperFigure
    cell: Cell
    reported: str
    ours: Effect | None


def paper_rows(cells: Cells) -> list[PaperRow]:
    """Compare the papers' figures with records in their set-up."""
    return [
        PaperRow(
            figure,
            cells[name],
            figure.reported.get(model_of(name), ""),
            _over_seeds(cells[name], figure.key),
        )
        for name in SPECS
        if name in cells
        for figure in PAPER_FIGURES
    ]


def _over_seeds(cell: Cell, key: str) -> Effect | None:
    values = [seed.values.get(key) for seed in cell.seeds]
    return mean_over_seeds([None if value is None else np.array([value]) for value in values])
