"""Splitting the board into the index and other files.

The index has the first rows of each table. Plain pages have all rows, for readers without scripts.
A script file has all rows too, for sorting, filtering and searching: a page opened from a folder
may load scripts, but no data.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from conebench.record.quantities import BOARD
from conebench.site.board.rows import Group, Row
from conebench.site.html.environment import environment
from conebench.site.html.visible import visible

# Rows on the index, and on each plain page; they are about 150 kB.
ROWS = 100
MOST_OF_ONE_TABLE = 30

Value = str | int | float | None


@dataclass(frozen=True)
class TablePart:
    """Rows of one table on a page."""

    group: Group
    rows: Sequence[Row]
    # The place of the table on the board, from 1.
    number: int
    caption: str


def first_parts(groups: Sequence[Group]) -> list[TablePart]:
    """Return the first rows of each table, for the index."""
    # The same limit for all tables, so that the index stays small.
    limit = max(1, min(MOST_OF_ONE_TABLE, ROWS // max(1, len(groups))))
    return [
        TablePart(group, group.rows[:limit], i, _first_caption(len(group.rows), limit))
        for i, group in enumerate(groups, start=1)
    ]


def all_parts(groups: Sequence[Group]) -> list[list[TablePart]]:
    """Return all rows page by page, unless the index has them all."""
    if all(len(part.rows) == len(part.group.rows) for part in first_parts(groups)):
        return []
    pages: list[list[TablePart]] = [[]]
    room = ROWS
    for number, group in enumerate(groups, start=1):
        start = 0
        while start < len(group.rows):
            # A table goes on where the page before ended.
            if not room:
                pages.append([])
                room = ROWS
            end = min(len(group.rows), start + room)
            caption = f"Records {start + 1:,} to {end:,} of {len(group.rows):,}"
            pages[-1].append(TablePart(group, group.rows[start:end], number, caption))
            room -= end - start
            start = end
    return pages


def page_name(number: int) -> str:
    """Return the file name of a plain page."""
    return "all.html" if number == 1 else f"all-{number}.html"


def rows_script(groups: Sequence[Group]) -> str:
    """Return a script that hands all rows to the board's script."""
    rows = [_row_data(row, i) for i, group in enumerate(groups) for row in group.rows]
    data = {"keys": _sort_keys(), "rows": rows}
    return f"window.board = {json.dumps(data, separators=(',', ':'), allow_nan=False)};\n"


def _first_caption(count: int, limit: int) -> str:
    if count > limit:
        return f"The first {limit} of {count:,} records"
    return f"{count} record{'' if count == 1 else 's'}"


def _sort_keys() -> list[str]:
    return ["rank", "record", *(quantity.field for quantity in BOARD), "seeds", "date"]


def _row_data(row: Row, group: int) -> dict[str, object]:
    """Return a row as markup, with its values for the script."""
    filters = {key: list(map(visible, values)) for key, values in row.filter_values.items()}
    # The search looks at these.
    words = [row.title, row.model, row.reason, row.record_id]
    words += [value for values in filters.values() for value in values]
    macros = environment().get_template("board.html.j2").module
    return {
        "id": row.record_id,
        "group": group,
        "words": visible(" ".join(words)),
        "filters": filters,
        "values": _sort_values(row),
        "html": macros.board_row(row, BOARD),  # type: ignore[attr-defined]
    }


def _sort_values(row: Row) -> list[Value]:
    figures = [row.figures[quantity.field] for quantity in BOARD]
    numbers = [figure.value if figure else None for figure in figures]
    return [row.rank, visible(row.title), *numbers, row.seeds, row.date or None]
