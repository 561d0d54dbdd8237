"""Replications on a record's page."""

from collections.abc import Sequence

from conebench.record import Record, Replication
from conebench.record.compare import stack_differences
from conebench.site.charts.table import Table, table_of
from conebench.site.record_page.tables import commit_text, device_text


def replications_table(record: Record, replications: Sequence[Replication]) -> Table | None:
    """Return one row per replication, if there are any."""
    rows = [_replication_cells(record, replication) for replication in replications]
    return table_of(rows) if rows else None


def _replication_cells(record: Record, replication: Replication) -> dict[str, str]:
    made, seeds = replication.provenance, replication.seeds
    return {
        "By": replication.by,
        "At": made.created_at,
        "Device": device_text(made),
        "Platform": made.platform,
        "Against the record's stack": "; ".join(stack_differences(record.provenance, made))
        or "the same",
        "Seeds": f"{len(seeds)} of {len(record.seeds)}: {', '.join(map(str, seeds))}",
        "Reached": _tolerance_text(replication),
        "Commit of conebench": commit_text(made),
    }


def _tolerance_text(replication: Replication) -> str:
    if replication.tolerance == "bits":
        return "bits: equal"
    cosine = replication.largest.get("cosine", 0.0)
    return f"{replication.tolerance}: G within {cosine:.1g}"
