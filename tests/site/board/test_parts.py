"""Splitting the board: every row is on some page, and the index is small."""

import json
from dataclasses import replace

import pytest
from synthetic import make_record, make_spec

from conebench.record.quantities import BOARD
from conebench.site.board.parts import ROWS, all_parts, first_parts, page_name, rows_script
from conebench.site.board.rows import Group, Row, group_rows, row_of
from conebench.site.pages import all_pages, index_page

HOSTILE = "</script><!-- \u202e\u2028 \" ' & {{ 7 * 7 }}"


@pytest.fixture(scope="module")
def row() -> Row:
    record = make_record()
    (group,) = group_rows([row_of(record, record.id)])
    return group.rows[0]


def board(row: Row, *sizes: int) -> list[Group]:
    """Return tables of these sizes, each row with its own id."""
    ids = iter(range(sum(sizes)))
    return [
        Group(
            f"group {i}",
            tuple(replace(row, record_id=f"{next(ids):08d}") for _ in range(size)),
            row.group,
        )
        for i, size in enumerate(sizes, start=1)
    ]


def ids(rows) -> list[int]:
    return [int(row.record_id) for row in rows]


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [
        ((1000,), [30]),
        ((30,), [30]),
        ((500, 3, 500, 500), [30, 3, 30, 30]),
        ((500, 3, 500, 500, 500), [24, 3, 24, 24, 24]),
        # Tables of few rows leave their room to longer ones.
        ((24, 7, 2, 2, *[1] * 7), [24, 7, 2, 2, *[1] * 7]),
        ((2,) * 300, [1] * 300),
        ((), []),
    ],
)
def test_the_index_has_the_first_rows_of_each_table(row, sizes, shown):
    groups = board(row, *sizes)
    parts = first_parts(groups)
    assert [len(part.rows) for part in parts] == shown
    for part, group in zip(parts, groups, strict=True):
        assert tuple(part.rows) == group.rows[: len(part.rows)]


@pytest.mark.parametrize("sizes", [(1000,), (51,), (60, 60, 1), (ROWS, ROWS), (2,) * 300])
def test_plain_pages_have_every_row_once_and_in_order(row, sizes):
    pages = all_parts(board(row, *sizes))
    found = [row for parts in pages for part in parts for row in part.rows]
    assert ids(found) == list(range(sum(sizes)))
    lengths = [sum(len(part.rows) for part in parts) for parts in pages]
    assert lengths == [ROWS] * (len(lengths) - 1) + lengths[-1:]
    assert 0 < lengths[-1] <= ROWS
    assert list(all_pages(board(row, 51))) == ["all.html"]


def test_a_board_that_the_index_holds_needs_no_plain_pages(row):
    assert all_parts(board(row, 30)) == []
    assert all_pages(board(row, 3, 3)) == {}
    assert page_name(1) not in index_page(board(row, 30), [])


@pytest.mark.parametrize("sizes", [(1000,), (40,) * 25, (10,) * 100])
def test_the_index_of_a_thousand_records_stays_small(row, sizes):
    assert len(index_page(board(row, *sizes), []).encode()) < 300_000


def test_the_script_has_every_row_with_what_it_is_sorted_by(row):
    text = rows_script(board(row, 51, 2))
    data = json.loads(text.removeprefix("window.board = ").removesuffix(";\n"))
    assert [found["id"] for found in data["rows"]] == [f"{i:08d}" for i in range(53)]
    assert [found["group"] for found in data["rows"]] == [0] * 51 + [1] * 2
    first = dict(zip(data["keys"], data["rows"][0]["values"], strict=True))
    assert first["CES"] == row.figures["CES"].value
    assert (first["record"], first["seeds"]) == (row.title, 5)
    others = {"rank", "record", "seeds", "date", "motion", "A_full", "T_star"}
    assert set(first) == {*others, *(q.field for q in BOARD)}
    assert data["rows"][0]["html"] in index_page(board(row, 51, 2), [])
    symbol, *_, meaning, higher, anchor = data["axes"]["VR"]
    assert (symbol, higher, anchor) == ("VR", "less confined", "late-window")
    assert meaning.startswith("Scatter about the axis")


def test_hostile_text_stays_text_in_the_script():
    record = make_record(make_spec(title=HOSTILE, seeds=[4]))
    text = rows_script(group_rows([row_of(record, record.id)]))
    assert text.isascii()
    (found,) = json.loads(text.removeprefix("window.board = ").removesuffix(";\n"))["rows"]
    assert "</script>" not in found["html"]
    assert "<!--" not in found["html"]
    assert "&lt;/script&gt;" in found["html"]
    assert "\u202e" not in found["words"] + found["html"] + found["values"][1]
