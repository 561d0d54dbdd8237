"""Changes of the board by a proposal."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from conebench.contribution.proposal import Proposal, is_record, unpacked
from conebench.record import read_record, recompute
from conebench.record.quantities import STRENGTH
from conebench.site.board.rows import UNRANKED, Group, Row, group_rows, row_of

COLUMNS = ("rank", "before", "CES", "spec", "record", "")


@dataclass(frozen=True)
class BoardChange:
    """One group of the board; its lines have the `COLUMNS`."""

    label: str
    lines: list[tuple[str, ...]]


def board_change(proposal: Proposal) -> list[BoardChange]:
    """Return every group that a proposed record joins."""
    before = list(filter(is_record, proposal.before))
    with unpacked(proposal.after) as folder:
        rows = {}
        for path in sorted({*before, *proposal.records}):
            stored = read_record(folder / path)
            rows[path] = row_of(recompute(stored), stored.id)
    new = {rows[path].record_id for path in proposal.records}
    # Ranks as they are without the proposal.
    old_ranks = _ranks(group_rows([rows[path] for path in before]))
    return [
        BoardChange(group.label, [_row_cells(row, old_ranks, new) for row in group.rows])
        for group in group_rows(list(rows.values()))
        if any(row.record_id in new for row in group.rows)
    ]


def markdown(changes: Sequence[BoardChange]) -> str:
    """Write the changes as Markdown."""
    return "\n".join(line for change in changes for line in _markdown_lines(change))


def _markdown_lines(change: BoardChange) -> Iterator[str]:
    yield f"**{change.label}**\n"
    yield _markdown_row(COLUMNS)
    yield _markdown_row("---" for _ in COLUMNS)
    yield from map(_markdown_row, change.lines)
    yield ""


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ranks(groups: Sequence[Group]) -> dict[str, str]:
    return {row.record_id: row.rank_text for group in groups for row in group.rows}


def _row_cells(row: Row, before: dict[str, str], new: set[str]) -> tuple[str, ...]:
    CES = row.figures[STRENGTH.field]
    return (
        row.rank_text,
        "" if row.record_id in new else before.get(row.record_id, UNRANKED),
        f"{STRENGTH.value(CES)} {STRENGTH.interval(CES)}".rstrip(),
        row.spec_name,
        row.record_id,
        "new" if row.record_id in new else "",
    )
