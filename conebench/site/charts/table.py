"""A table of text: what every plot and page shows its numbers with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Header and rows as text; the first cell of a row names it.

    `each` is what a row stands for where there may be more of them than a page can hold.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    each: str = ""
