"""Tables of text, as pages and files show them."""

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
