"""Rules of a proposed replication."""

from collections.abc import Iterator
from pathlib import Path

from conebench.contribution.proposal import Proposal
from conebench.contribution.provenance import provenance_problems
from conebench.errors import RecordError
from conebench.record.files import read_record
from conebench.record.replication import (
    Replication,
    check_replication,
    read_replication,
    record_path,
    replications_of,
)


def replication_problems(
    proposal: Proposal, folder: Path, path: str, author: str | None
) -> Iterator[str]:
    """Yield one line per rule that the replication at a path breaks.

    `author` is the GitHub name of its author, None if unknown.
    """
    record = record_path(Path(path)).as_posix()
    if record not in proposal.before:
        yield f"{path}: propose a replication only after its record has been merged: {record}"
        return
    try:
        found = check_replication(folder / path, read_record(folder / record))
    except RecordError as error:
        yield str(error)
        return
    if author is not None and found.by != author.lower():
        yield f"{path}: by: got {found.by!r}, expected the author's name {author.lower()!r}"
    yield from (f"{path}: {problem}" for problem in provenance_problems(found.provenance))
    yield from (f"{path}: a copy of {other}" for other in _copies(folder, path, found))


def _copies(folder: Path, path: str, found: Replication) -> Iterator[str]:
    """Yield replications of the record by others that have the same provenance."""
    for file in replications_of(record_path(folder / path)):
        try:
            other = read_replication(file)
        except RecordError:
            continue
        if other.by != found.by and other.provenance == found.provenance:
            yield file.relative_to(folder).as_posix()
