"""Tables as CSV and JSON."""

import csv
import io
import json
import re
from typing import TYPE_CHECKING

from conebench.record.quantities import UNDEFINED
from conebench.site.charts.table import Table

if TYPE_CHECKING:
    import pandas as pd

# A spreadsheet runs a cell that begins like this as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
# Cells that begin otherwise, and hold no comma, stay as they are.
NOT_PLAIN = (*FORMULA_STARTS, UNDEFINED)

NUMBER = re.compile(r"-?[0-9][0-9,]*(\.[0-9]+)?(e[+-]?[0-9]+)?")


def frame_csv(frame: "pd.DataFrame") -> str:
    """Write a frame as CSV that is safe to open in a spreadsheet."""
    texts = frame.select_dtypes("string")
    guarded = frame.assign(**{name: texts[name].map(_guarded, "ignore") for name in texts})
    return str(guarded.to_csv(index=False, lineterminator="\n"))


def frame_json(frame: "pd.DataFrame") -> str:
    """Write a frame as a list of rows."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return json.dumps(rows, indent=1, allow_nan=False) + "\n"


def table_csv(table: Table) -> str:
    """Write a table of a page as CSV, with plain numbers."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_plain(cell) for cell in row] for row in (table.head, *table.rows))
    return text.getvalue()


def _plain(cell: str) -> str:
    if "," not in cell and not cell.startswith(NOT_PLAIN):
        return cell
    if cell == UNDEFINED:
        return ""
    if NUMBER.fullmatch(cell):
        return cell.replace(",", "")
    return _guarded(cell)


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
