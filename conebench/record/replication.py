"""Replications: small files that say who replayed a record, and how closely."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from conebench.errors import RecordError
from conebench.record.compare import TOLERANCES, Difference, Measure, ToleranceName
from conebench.record.files import pretty_json, read_record
from conebench.record.part import Part
from conebench.record.schema import Provenance, Record
from conebench.spec.schema_problems import record_problem
from conebench.spec.section import Seed
from conebench.text import one_line

REPLICATION_VERSION: Final = "1.0"
MAX_REPLICATION_BYTES = 20_000
SUFFIX = ".replications"
# A GitHub name, in lower case because some file systems ignore case.
WHO = r"[a-z0-9](-?[a-z0-9]){0,38}"
LONGEST_WHO = 39

Who = Annotated[str, Field(pattern=f"^{WHO}$", max_length=LONGEST_WHO)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Replication(Part):
    """Result of `conebench verify RECORD --attest WHO`.

    Both hashes are of a record without its provenance, and `provenance` is the replay's. `largest`
    has the largest difference of each kind; `tolerance` is the narrowest class that allows them.
    """

    schema_version: Literal["1.0"]
    record_hash: Hash
    by: Who
    seeds: list[Seed] = Field(min_length=1)
    tolerance: ToleranceName
    largest: dict[Measure, Annotated[float, Field(ge=0)]] = Field(min_length=1)
    replay_hash: Hash
    provenance: Provenance


def attest(record: Record, replay: Record, found: Sequence[Difference], by: str) -> Replication:
    """Return the replication of a record by its replay, given their differences."""
    largest: dict[Measure, float] = {}
    for difference in found:
        measure = difference.measure
        largest[measure] = max(largest.get(measure, 0.0), difference.largest)
    tolerance = narrowest(largest)
    if tolerance is None:
        raise RecordError("the replay differs from the record by more than any tolerance allows")
    return Replication(
        schema_version=REPLICATION_VERSION,
        record_hash=record.hash,
        by=by,
        seeds=[seed.seed for seed in replay.seeds],
        tolerance=tolerance,
        largest=largest,
        replay_hash=replay.hash,
        provenance=replay.provenance,
    )


def narrowest(largest: dict[Measure, float]) -> ToleranceName | None:
    """Return the narrowest class that allows all these differences, or None."""
    # TOLERANCES are ordered, the narrowest first.
    for name, allowed in TOLERANCES.items():
        if all(value <= allowed[measure] for measure, value in largest.items()):
            return name
    return None


def replication_path(record: Path, by: str) -> Path:
    """Return the path of a replication, next to the record's file."""
    return record.with_suffix(SUFFIX) / f"{by}.json"


def record_path(replication: Path) -> Path:
    """Return the path of the record that a replication's file belongs to."""
    return replication.parent.with_suffix(".json")


def check_name(by: str) -> None:
    """Raise a RecordError if a name cannot be the `by` of a replication."""
    if len(by) > LONGEST_WHO or not re.fullmatch(WHO, by):
        raise RecordError(
            f"--attest: got {one_line(by)!r}, expected a GitHub name in lower case: at most "
            f"{LONGEST_WHO} letters, digits and single hyphens"
        )


def replication_text(replication: Replication) -> str:
    """Return the replication as JSON text."""
    return pretty_json(replication.model_dump(mode="json"))


def read_replication(path: Path) -> Replication:
    """Read one replication, or raise a RecordError that names the file and the field."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise RecordError(f"{path}: not a regular file")
    try:
        with path.open("rb") as file:
            # One byte more than allowed shows that a file is too large, whatever its size.
            content = file.read(MAX_REPLICATION_BYTES + 1)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_REPLICATION_BYTES:
        raise RecordError(f"{path}: expected at most {MAX_REPLICATION_BYTES:,} bytes")
    try:
        found = Replication.model_validate_json(content)
    except ValidationError as error:
        raise RecordError(f"{path}: {one_line(record_problem(error))}") from None
    # Another layout or order of fields would make two files of the same replication.
    if content != replication_text(found).encode():
        raise RecordError(f"{path}: its text is not as conebench writes it")
    return found


def check_replication(path: Path, record: Record) -> Replication:
    """Read a replication. Raise a RecordError if it cannot be one of this record."""
    found = read_replication(path)
    problem = next(_problems(path, found, record), None)
    if problem:
        raise RecordError(f"{path}: {problem}")
    return found


def _problems(path: Path, found: Replication, record: Record) -> Iterator[str]:
    if path.stem != found.by:
        yield f"by: got {found.by!r}, but the file is named {path.stem!r}"
    if found.record_hash != record.hash:
        yield f"record_hash: got {found.record_hash[:8]}, but the record has {record.id}"
    measured = [seed.seed for seed in record.seeds]
    if found.seeds != [seed for seed in measured if seed in found.seeds]:
        yield f"seeds: got {found.seeds}, expected some of {measured}, each once and in order"
    tolerance = narrowest(found.largest)
    if found.tolerance != tolerance:
        needed = tolerance or "more than any tolerance"
        yield f"tolerance: got {found.tolerance}, but the largest differences need {needed}"
    # A copy of the record is no replay of it.
    if found.provenance == record.provenance:
        yield "provenance: got that of the record itself, expected that of a replay"


def replications_of(record: Path) -> list[Path]:
    """Return the files in a record's folder of replications, sorted."""
    try:
        return sorted(record.with_suffix(SUFFIX).glob("*"))
    except OSError:
        # The name of the folder is too long.
        return []


def read_both(path: Path) -> Replication:
    """Read a replication and check it against its record."""
    record = record_path(path)
    if not record.is_file():
        raise RecordError(f"{path}: its record {record} is missing")
    return check_replication(path, read_record(record))
