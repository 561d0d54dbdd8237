"""Tables of text, as pages and files show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Header and rows as text.

    The first cell of a row names it. `each` says what a row is, if a page may be too small for all.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    each: str = ""


def table_of(rows: Sequence[Mapping[str, str]], note: str = "") -> Table:
    """Return the table of rows that have cells by column."""
    return Table(tuple(rows[0]), tuple(tuple(row[name] for name in rows[0]) for row in rows), note)
