"""What a proposed replication of a record must keep to."""

from collections.abc import Iterator
from pathlib import Path

from conebench.contribution.proposal import Proposal
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
    """One line a broken rule of the replication at a path; `author` proposes it, where known."""
    record = record_path(Path(path)).as_posix()
    if record not in proposal.before:
        together = "comes together with its record" if record in proposal.contents else "no record"
        yield f"{path}: {together}, expected replications of a record that is there: {record}"
        return
    try:
        found = check_replication(folder / path, read_record(folder / record))
    except RecordError as error:
        yield str(error)
        return
    if author is not None and found.by != author.lower():
        yield f"{path}: by: got {found.by!r}, expected who proposes it: {author.lower()!r}"
    if found.provenance.git_dirty is not False:
        yield f"{path}: provenance.git_dirty: expected replications by committed code"
    yield from (f"{path}: a copy of {other}" for other in _copies(folder, path, found))


def _copies(folder: Path, path: str, found: Replication) -> Iterator[str]:
    """Replications of the record by others that are of the very same replay."""
    for file in replications_of(record_path(folder / path)):
        try:
            other = read_replication(file)
        except RecordError:
            continue
        if other.by != found.by and other.provenance == found.provenance:
            yield file.relative_to(folder).as_posix()
