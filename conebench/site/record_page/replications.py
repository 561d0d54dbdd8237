"""Who replayed a record, on what, and how close that came."""

from collections.abc import Sequence

from conebench.record import Record, Replication
from conebench.record.compare import stack_differences
from conebench.site.charts.table import Table
from conebench.site.record_page.tables import commit_text, device_text

HEAD = (
    "By",
    "At",
    "Device",
    "Platform",
    "Against the record's stack",
    "Seeds",
    "Reached",
    "Commit of conebench",
)


def replications_table(record: Record, replications: Sequence[Replication]) -> Table | None:
    """One row a replication; None where there is none."""
    rows = tuple(_cells(record, found) for found in replications)
    return Table(HEAD, rows) if rows else None


def _cells(record: Record, found: Replication) -> tuple[str, ...]:
    made = found.provenance
    return (
        found.by,
        made.created_at,
        device_text(made),
        made.platform,
        "; ".join(stack_differences(record.provenance, made)) or "the same",
        f"{len(found.seeds)} of {len(record.seeds)}: {', '.join(map(str, found.seeds))}",
        _reached(found),
        commit_text(made),
    )


def _reached(found: Replication) -> str:
    if found.tolerance == "bits":
        return "bits: equal"
    cosine = found.largest.get("cosine", 0.0)
    return f"{found.tolerance}: G within {cosine:.1g}"
