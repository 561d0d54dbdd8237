"""Tables of text, as pages and files show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Header and rows as text; the first cell of a row names it.

    `each` says what a row is, if there may be more rows than a page can hold.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    each: str = ""


def table_of(rows: Sequence[Mapping[str, str]], note: str = "") -> Table:
    """Return the table of at least one row; each has its cells by the name of their column."""
    return Table(tuple(rows[0]), tuple(tuple(row[name] for name in rows[0]) for row in rows), note)
