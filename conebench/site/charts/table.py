"""Tables of text, as pages and files show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Header and rows as text; the first cell of a row names it."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    # What a row is, if a page may be too small for all of them.
    each: str = ""


def table_of(rows: Sequence[Mapping[str, str]], note: str = "") -> Table:
    """Return the table of rows that have cells by column."""
    return Table(tuple(rows[0]), tuple(tuple(row[name] for name in rows[0]) for row in rows), note)
