"""Replications of a record: by whom, on what, and how close."""

from collections.abc import Sequence

from conebench.record import Record, Replication
from conebench.record.compare import stack_differences
from conebench.site.charts.table import Table
from conebench.site.record_page.tables import commit_text, device_text

COLUMNS = (
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
    """Return one row per replication; None if there is none."""
    rows = tuple(_replication_cells(record, replication) for replication in replications)
    return Table(COLUMNS, rows) if rows else None


def _replication_cells(record: Record, replication: Replication) -> tuple[str, ...]:
    made = replication.provenance
    seeds = ", ".join(map(str, replication.seeds))
    return (
        replication.by,
        made.created_at,
        device_text(made),
        made.platform,
        "; ".join(stack_differences(record.provenance, made)) or "the same",
        f"{len(replication.seeds)} of {len(record.seeds)}: {seeds}",
        _tolerance_text(replication),
        commit_text(made),
    )


def _tolerance_text(replication: Replication) -> str:
    if replication.tolerance == "bits":
        return "bits: equal"
    cosine = replication.largest.get("cosine", 0.0)
    return f"{replication.tolerance}: G within {cosine:.1g}"
