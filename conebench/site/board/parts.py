"""What the index shows of the board at once, and what waits in other files.

The index has the first rows of each table. All rows are on plain pages, for readers without
scripts, and in one script file, for sorting, filtering and searching: a page from a folder may load
scripts, but no data.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conebench.record.quantities import BOARD
from conebench.site.board.rows import Group, Row
from conebench.site.html.environment import environment
from conebench.site.html.visible import visible

# Rows on the index, and on each plain page: about 150 kB of them.
ROWS = 100
MOST_OF_ONE_TABLE = 30

Value = str | int | float | None


@dataclass(frozen=True)
class Part:
    """Rows of one table on a page; `number` is the table's place on the board, from 1."""

    group: Group
    rows: Sequence[Row]
    number: int
    says: str


def first_parts(groups: Sequence[Group]) -> list[Part]:
    """The first rows of each table: as many of each, so that the index stays small."""
    limit = max(1, min(MOST_OF_ONE_TABLE, ROWS // max(1, len(groups))))
    return [
        Part(group, group.rows[:limit], i, _first(len(group.rows), limit))
        for i, group in enumerate(groups, start=1)
    ]


def all_parts(groups: Sequence[Group]) -> list[list[Part]]:
    """All rows, page by page; no page where the index has them all."""
    if all(len(part.rows) == len(part.group.rows) for part in first_parts(groups)):
        return []
    pages: list[list[Part]] = [[]]
    room = ROWS
    for number, group in enumerate(groups, start=1):
        start = 0
        while start < len(group.rows):
            if not room:
                pages.append([])
                room = ROWS
            end = min(len(group.rows), start + room)
            says = f"Records {start + 1:,} to {end:,} of {len(group.rows):,}"
            pages[-1].append(Part(group, group.rows[start:end], number, says))
            room -= end - start
            start = end
    return pages


def page_name(number: int) -> str:
    """The file of a plain page, from 1."""
    return "all.html" if number == 1 else f"all-{number}.html"


def rows_script(groups: Sequence[Group]) -> str:
    """A script that puts all rows where the board's script looks for them, in the board's order."""
    rows = [_row_data(row, i) for i, group in enumerate(groups) for row in group.rows]
    data = {"keys": _keys(), "rows": rows}
    return f"window.board = {json.dumps(data, separators=(',', ':'), allow_nan=False)};\n"


def _first(count: int, limit: int) -> str:
    if count > limit:
        return f"The first {limit} of {count:,} records"
    return f"{count} record{'' if count == 1 else 's'}"


def _keys() -> list[str]:
    return ["rank", "record", *(quantity.field for quantity in BOARD), "seeds", "date"]


def _row_data(row: Row, group: int) -> dict[str, object]:
    """A row as markup, and what it is found, filtered and sorted by, in the order of the keys."""
    facts = {key: list(map(visible, values)) for key, values in row.facts.items()}
    words = [row.title, row.model, row.reason, row.record_id, *_flat(facts)]
    macros = environment().get_template("board.html.j2").module
    return {
        "id": row.record_id,
        "group": group,
        "words": visible(" ".join(words)),
        "facts": facts,
        "values": _values(row),
        "html": macros.board_row(row, BOARD),  # type: ignore[attr-defined]
    }


def _flat(facts: dict[str, list[str]]) -> Iterator[str]:
    for values in facts.values():
        yield from values


def _values(row: Row) -> list[Value]:
    figures = [row.figures[quantity.field] for quantity in BOARD]
    numbers = [figure.value if figure else None for figure in figures]
    return [row.rank, visible(row.title), *numbers, row.seeds, row.date or None]
