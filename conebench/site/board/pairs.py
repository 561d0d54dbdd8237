"""Pairs of records whose specs differ in one field."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conebench.site.board.factors import MEASURING
from conebench.site.board.rows import Row

MAX_PAIRS = 300


@dataclass(frozen=True)
class Pair:
    """Two rows, the field that differs, and its values."""

    field: str
    values: tuple[str, str]
    rows: tuple[Row, Row]


def matched_pairs(rows: Sequence[Row]) -> list[Pair]:
    """Return all pairs of neighboring values of one field.

    All other fields are equal. The latest record of a spec stands for all of them. A field that a
    spec lacks is undefined.
    """
    # A later row of the same spec replaces an earlier one.
    latest = {_fields_key(row): row for row in sorted(rows, key=lambda r: (r.date, r.record_id))}
    names = sorted({name for row in latest.values() for name in row.fields} - set(MEASURING))
    pairs = [pair for name in names for pair in _pairs_in(name, list(latest.values()))]
    return sorted(pairs, key=lambda p: (p.field, p.rows[0].dataset, p.rows[0].title, p.values))


def _pairs_in(name: str, rows: Sequence[Row]) -> Iterator[Pair]:
    groups: dict[frozenset[tuple[str, str]], list[Row]] = {}
    for row in rows:
        rest = frozenset(item for item in row.fields.items() if item[0] != name)
        groups.setdefault(rest, []).append(row)
    for group in groups.values():
        ordered = sorted(group, key=lambda row: _value_order(row.fields.get(name, "undefined")))
        for a, b in itertools.pairwise(ordered):
            values = a.fields.get(name, "undefined"), b.fields.get(name, "undefined")
            yield Pair(name, values, (a, b))


def _fields_key(row: Row) -> frozenset[tuple[str, str]]:
    return frozenset(row.fields.items())


def _value_order(value: str) -> tuple[float, str]:
    """Sort numbers by size, then texts."""
    try:
        return float(value), value
    except ValueError:
        return float("inf"), value
