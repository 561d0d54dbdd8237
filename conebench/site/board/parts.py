"""Splitting the board into the index and other files.

The index has the first rows of each table. Plain pages have all rows, for readers without scripts.
A script file has all rows too, for sorting, filtering and searching: a page opened from a folder
may load scripts, but no data.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from conebench.record.quantities import BOARD, QUANTITIES, Quantity, percent
from conebench.site.board.rows import Group, Row
from conebench.site.board.sentences import agreement, leading_sentence
from conebench.site.html.environment import ANCHORS, environment
from conebench.site.html.visible import visible

# Rows on the index, and on each plain page; they are about 150 kB.
ROWS = 100
MOST_OF_ONE_TABLE = 30

# Columns that a reader can add.
EXTRA = tuple(
    q
    for q in QUANTITIES
    if q.field in ("turn_deg", "kernel_benefit", "lazy_gap", "Gamma", "T_star")
)
SORTED = (*BOARD, *(q for q in QUANTITIES if q.field in ("motion", "A_full", "T_star")))

Value = str | int | float | None


@dataclass(frozen=True)
class TablePart:
    """Rows of one table on a page."""

    group: Group
    rows: Sequence[Row]
    # The place of the table on the board, from 1.
    number: int
    caption: str

    @property
    def sentence(self) -> str:
        """Sentence about the rows that lead."""
        return leading_sentence(self.group)

    def agreement(self, row: Row) -> str:
        """Agreement of the runs of its spec; empty for one run."""
        return agreement(row, self.group.twins(row))


def first_parts(groups: Sequence[Group]) -> list[TablePart]:
    """Return the first rows of each table, for the index."""
    limit = _limit([len(group.shown) for group in groups])
    return [
        TablePart(group, group.shown[:limit], i, _first_caption(len(group.shown), limit))
        for i, group in enumerate(groups, start=1)
    ]


def _limit(sizes: Sequence[int]) -> int:
    """Return the most rows of a table, the same for all, so that the index stays small."""
    # Tables of few rows leave their room to longer ones.
    fitting = (
        limit
        for limit in range(MOST_OF_ONE_TABLE, 1, -1)
        if sum(min(limit, size) for size in sizes) <= ROWS
    )
    return next(fitting, 1)


def all_parts(groups: Sequence[Group]) -> list[list[TablePart]]:
    """Return all rows page by page, unless the index has them all."""
    if all(len(part.rows) == len(part.group.shown) for part in first_parts(groups)):
        return []
    pages: list[list[TablePart]] = [[]]
    room = ROWS
    for number, group in enumerate(groups, start=1):
        start = 0
        while start < len(group.shown):
            # A table goes on where the page before ended.
            if not room:
                pages.append([])
                room = ROWS
            end = min(len(group.shown), start + room)
            caption = f"Records {start + 1:,} to {end:,} of {len(group.shown):,}"
            pages[-1].append(TablePart(group, group.shown[start:end], number, caption))
            room -= end - start
            start = end
    return pages


def tabs_of(groups: Sequence[Group]) -> list[tuple[str, int, int]]:
    """Return data sets with their rows and a table."""
    counts: dict[str, int] = {}
    first: dict[str, int] = {}
    for number, group in enumerate(groups, start=1):
        counts[group.key.dataset] = counts.get(group.key.dataset, 0) + len(group.shown)
        first.setdefault(group.key.dataset, number)
    tabs = [(name, count, first[name]) for name, count in counts.items()]
    return sorted(tabs, key=lambda tab: (-tab[1], tab[0]))


def tiles_of(groups: Sequence[Group]) -> list[tuple[str, str]]:
    """Return numbers of the whole board with their labels."""
    rows = [row for group in groups for row in group.rows]
    ranked = sum(row.rank is not None for row in rows)
    networks, data = len({row.model for row in rows}), len({row.dataset for row in rows})
    return [
        (f"{len(rows):,}", f"record{'' if len(rows) == 1 else 's'}"),
        (f"{ranked:,}", "ranked"),
        (f"{networks:,}", f"network{'' if networks == 1 else 's'}"),
        (f"{data:,}", f"data set{'' if data == 1 else 's'}"),
        (f"{sum(bool(row.replications) for row in rows):,}", "replicated"),
    ]


def page_name(number: int) -> str:
    """Return the file name of a plain page."""
    return "all.html" if number == 1 else f"all-{number}.html"


def rows_script(groups: Sequence[Group]) -> str:
    """Return a script that hands all rows to the board's script."""
    rows = [_row_data(row, group, i) for i, group in enumerate(groups) for row in group.shown]
    data = {"keys": list(_sort_values(None)), "rows": rows, "axes": _axes(groups)}
    return f"window.board = {json.dumps(data, separators=(',', ':'), allow_nan=False)};\n"


def _first_caption(count: int, limit: int) -> str:
    if count > limit:
        return f"The first {limit} of {count:,} records"
    return f"{count} record{'' if count == 1 else 's'}"


def _row_data(row: Row, group: Group, number: int) -> dict[str, object]:
    """Return a row, as markup and as values."""
    filters = {key: list(map(visible, values)) for key, values in row.filter_values.items()}
    twins = group.twins(row)
    # The search looks at these.
    words = [row.title, row.model, row.reason, row.record_id, row.date, row.spec_name]
    words += [value for values in filters.values() for value in values]
    words += [twin.record_id for twin in twins]
    macros = environment().get_template("board.html.j2").module
    return {
        "id": row.record_id,
        "group": number,
        "ranked": not row.reasons,
        "why": visible(row.reason),
        "runs": [twin.record_id for twin in twins],
        "words": visible(" ".join(words)),
        "filters": filters,
        "values": list(_sort_values(row).values()),
        "html": macros.board_row(row, agreement(row, twins)),  # type: ignore[attr-defined]
    }


def _sort_values(row: Row | None) -> dict[str, Value]:
    """Return what a row is sorted by."""
    figures = {q.field: row.figures[q.field] if row else None for q in SORTED}
    numbers = {field: figure.value if figure else None for field, figure in figures.items()}
    others = (row.rank, visible(row.title), row.seeds, row.date or None) if row else (None,) * 4
    return dict(zip(("rank", "record", "seeds", "date"), others, strict=True)) | numbers


def _axes(groups: Sequence[Group]) -> dict[str, list[Value]]:
    """Return how bars show every figure, and what it means."""
    rows = [row for group in groups for row in group.shown]
    return {q.field: _axis(q, rows) for q in QUANTITIES}


def _axis(quantity: Quantity, rows: Sequence[Row]) -> list[Value]:
    figures = [e for row in rows if (e := row.figures[quantity.field])]
    ends = [end for e in figures for end in (e.value, e.low, e.high) if end is not None]
    return [
        quantity.symbol,
        quantity.unit,
        100 if quantity.number is percent else 1,
        min([0.0, *ends]),
        max([0.0, *ends]) or 1.0,
        quantity.meaning,
        quantity.higher,
        ANCHORS[quantity.field],
    ]
