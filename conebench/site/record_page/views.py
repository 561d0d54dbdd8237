"""Late window of every view of the kernels, on a record's page."""

from collections.abc import Callable, Iterable

import numpy as np

from conebench.analysis.window import WindowFigures
from conebench.record import Record
from conebench.record.quantities import UNDEFINED, degrees, distance, two_decimals
from conebench.site.charts.table import Table, table_of

# How each figure is written, and its field.
WINDOW_COLUMNS = {
    "Turn": (degrees, "turn_deg"),
    "Cone angle": (degrees, "cone_deg"),
    "95th percentile": (degrees, "cone_95_deg"),
    "N": (two_decimals, "N"),
    "α": (two_decimals, "alpha"),
    "VR": (two_decimals, "VR"),
    "Motion": (distance, "motion"),
}


def views_table(record: Record) -> Table | None:
    """Return one row per view, if there are several."""
    by_view: dict[str, list[WindowFigures]] = {}
    for seed in record.seeds:
        for found in seed.windows or ():
            by_view.setdefault(found.view, []).append(found.figures)
    if len(by_view) < 2:
        return None
    rows = [
        {
            "View": name,
            **{
                column: mean_text(write, (getattr(window, field) for window in windows))
                for column, (write, field) in WINDOW_COLUMNS.items()
            },
        }
        for name, windows in by_view.items()
    ]
    return table_of(rows)


def mean_text(write: Callable[[float], str], values: Iterable[float | None]) -> str:
    """Write the mean of the known values, or a dash."""
    known = [value for value in values if value is not None]
    return write(float(np.mean(known))) if known else UNDEFINED
