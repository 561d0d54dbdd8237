"""Plots: a drawing with title, caption and table."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from conebench.analysis.distance import IntArray
from conebench.site.charts.data import Json, chart_data
from conebench.site.charts.drawing import Drawing
from conebench.site.charts.table import Table

# Limits of what a page holds without scripts; with them it shows all.
MAX_TABLE_ROWS, MAX_TABLE_CHECKPOINTS = 6, 5
MAX_COLORS = 6


@dataclass(frozen=True)
class Plot:
    """A drawing with title, caption and its points as a table."""

    # Its id on the page, and the name of files made from it.
    key: str
    title: str
    caption: str
    drawing: Drawing
    table: Table
    # None if it shows all seeds.
    seed: int | None = None
    # Numbers for scripts, of a drawing without axes.
    special: Mapping[str, Json] = field(default_factory=dict)

    @property
    def data(self) -> Mapping[str, Json]:
        """Numbers for the script that draws it again."""
        return self.special or chart_data(self.drawing)

    @property
    def page_table(self) -> Table:
        """The table, thinned to what a page can hold."""
        return for_page(self.table, square="S" in self.special)


def evenly(count: int, limit: int) -> IntArray:
    """Return at most `limit` of `count` indices, with both ends."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(np.int64))


def thinned(shown: int, total: int, what: str) -> str:
    """Describe a selection, such as "40 of 100 steps, evenly"."""
    return f"all {total:,} {what}" if shown == total else f"{shown:,} of {total:,} {what}, evenly"


def for_page(table: Table, *, square: bool = False) -> Table:
    """Thin a table to what a page can hold.

    Of a square table, columns are thinned with the rows. A table whose rows are always few stays
    as it is.
    """
    # Few rows by nature.
    if not table.each:
        return table
    if not square and len(table.rows) <= MAX_TABLE_ROWS:
        note = thinned(len(table.rows), len(table.rows), table.each)
        return replace(table, note=note)
    rows = evenly(len(table.rows), MAX_TABLE_CHECKPOINTS if square else MAX_TABLE_ROWS).tolist()
    columns = [0, *(1 + i for i in rows)] if square else range(len(table.head))
    note = thinned(len(rows), len(table.rows), table.each)
    cells = tuple(tuple(table.rows[i][j] for j in columns) for i in rows)
    return Table(tuple(table.head[j] for j in columns), cells, note)
