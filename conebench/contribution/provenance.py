"""Rules for the provenance of a proposed record or replication."""

import datetime
from collections.abc import Iterator

from conebench.record.schema import Provenance

UNCOMMITTED = (
    "provenance.git_dirty: made with uncommitted changes to conebench; commit them and run again"
)
UNKNOWN_CODE = (
    "provenance.git_dirty: the code of some stages is not known; run again from a git checkout, "
    "with another --run-dir"
)
# Clocks of two machines differ.
TOLERANCE = datetime.timedelta(hours=24)


def provenance_problems(made: Provenance) -> Iterator[str]:
    """Yield one line per rule that a provenance breaks."""
    dirty = [made.git_dirty, *(code.git_dirty if code else None for code in made.codes or ())]
    if True in dirty:
        yield UNCOMMITTED
    elif None in dirty:
        yield UNKNOWN_CODE
    elif made.git_commit is None:
        yield "provenance.git_commit: got null, expected the commit of conebench"
    now = datetime.datetime.now(datetime.UTC)
    if datetime.datetime.fromisoformat(made.created_at) > now + TOLERANCE:
        yield f"provenance.created_at: got {made.created_at}, which is in the future"
