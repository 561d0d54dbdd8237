"""Reading the study's cells from files of records."""

from collections.abc import Iterable
from pathlib import Path

from conebench.errors import RecordError
from conebench.record import read_record, recompute
from conebench.study.figures import Cell, figures_of
from conebench.study.measurement.decay import TOWARD_SWITCH
from conebench.study.plan import BLOCK_OF


def read_cells(files: Iterable[Path]) -> list[Cell]:
    """Return the cells of the study, with recomputed figures.

    Raises:
        RecordError: A file is no sound record.

    """
    cells = []
    for file in files:
        stored = read_record(file)
        # Recomputing takes longer than reading.
        if stored.spec.name not in (*BLOCK_OF, *TOWARD_SWITCH):
            continue
        try:
            cells.append(figures_of(recompute(stored), stored.id))
        except RecordError as error:
            raise RecordError(f"{file}: {error}") from None
    return cells
