"""The board as CSV and JSON: raw numbers, accuracies as fractions."""

import csv
import io
import json
import re
from collections.abc import Sequence

from conebench.record.quantities import QUANTITIES, UNDEFINED
from conebench.site.board.factors import FACTORS
from conebench.site.board.rows import Group, Row
from conebench.site.charts.table import Table

# A spreadsheet runs a cell that begins like this as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
# Cells that begin otherwise, and hold no comma, stay as they are.
NOT_PLAIN = (*FORMULA_STARTS, UNDEFINED)

NUMBER = re.compile(r"-?[0-9][0-9,]*(\.[0-9]+)?(e[+-]?[0-9]+)?")

# Factors that are no columns of their own already.
TOLD = tuple(f.key for f in FACTORS if f.key not in ("family", "optimizer", "dataset"))

Value = str | int | float | None


def csv_text(groups: Sequence[Group]) -> str:
    """All rows, in the board's order; text that would run as a formula gets a quote before it."""
    rows = flat_rows(groups)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: guarded(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def table_csv(table: Table) -> str:
    """A table of a page; numbers without the commas between thousands, nothing for a dash."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_plain(cell) for cell in row] for row in (table.head, *table.rows))
    return text.getvalue()


def _plain(cell: str) -> Value:
    if "," not in cell and not cell.startswith(NOT_PLAIN):
        return cell
    if cell == UNDEFINED:
        return ""
    if NUMBER.fullmatch(cell):
        return cell.replace(",", "")
    return guarded(cell)


def json_text(groups: Sequence[Group]) -> str:
    """All rows, in the board's order; null where a figure is undefined."""
    return json.dumps(flat_rows(groups), indent=1, allow_nan=False) + "\n"


def flat_rows(groups: Sequence[Group]) -> list[dict[str, Value]]:
    """The values of every column, row by row, in the board's order."""
    return [dict(zip(columns(), _values(row), strict=True)) for g in groups for row in g.rows]


def columns() -> list[str]:
    """The columns of the table, in order."""
    figures = [
        name
        for quantity in QUANTITIES
        for name in (quantity.field, f"{quantity.field}_low", f"{quantity.field}_high")
    ]
    identity = ["rank", "record", "spec", "title", "model", "family", "optimizer"]
    group = ["dataset", "kernel_outputs", "probe_samples", "batchnorm", "schema"]
    end = ["seeds", "date", "status", "verdict", "outcome", "unranked_reason"]
    trust = ["trust", "replicated_by"]
    return [*identity, *TOLD, *group, *figures, *end, *trust]


def _values(row: Row) -> list[Value]:
    values: list[Value] = [row.rank, row.record_id, row.spec_name, row.title]
    values += [row.model, row.family, row.optimizer]
    values += [row.factors[f.key] for f in FACTORS if f.key in TOLD]
    values += row.group
    for quantity in QUANTITIES:
        figure = row.figures[quantity.field]
        values += [figure.value, figure.low, figure.high] if figure else [None, None, None]
    values += [row.seeds, row.date, row.status, row.verdict, row.outcome, row.reason]
    return [*values, row.trust, row.replicated_by or None]


def guarded(value: Value) -> Value:
    """The value as it may stand in a cell: text that would run as a formula gets a quote."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value
