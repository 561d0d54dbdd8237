"""A record replayed by somebody: a small file beside the record, which does not change its id."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from conebench.errors import RecordError
from conebench.record.compare import TOLERANCES, Difference, Measure, ToleranceName
from conebench.record.files import pretty_json, read_record
from conebench.record.schema import Part, Provenance, Record
from conebench.spec.section import Seed
from conebench.text import one_line

REPLICATION_VERSION: Final = "1.0"
MAX_REPLICATION_BYTES = 20_000
SUFFIX = ".replications"
# A GitHub name in lower case: it is part of a path, also where case does not count.
WHO = r"[a-z0-9](-?[a-z0-9]){0,38}"
LONGEST_WHO = 39

Who = Annotated[str, Field(pattern=f"^{WHO}$", max_length=LONGEST_WHO)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Replication(Part):
    """What `conebench verify RECORD --attest WHO` found: by whom, on what, and how close it came.

    Both hashes are of a record without its provenance. `tolerance` is the narrowest class of
    `conebench verify` that all of `largest`, the largest difference of each kind, keep to.
    `provenance` is the replay's.
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
    """The replication that a replay of a record is; `found` are differences that all pass."""
    largest: dict[Measure, float] = {}
    for difference in found:
        measure = difference.measure
        largest[measure] = max(largest.get(measure, 0.0), difference.largest)
    tolerance = narrowest(largest)
    if tolerance is None:
        raise RecordError("the replay differs from the record by more than every tolerance")
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
    """The first class that allows all these differences; None where none does."""
    for name, allowed in TOLERANCES.items():
        if all(value <= allowed[measure] for measure, value in largest.items()):
            return name
    return None


def replication_path(record: Path, by: str) -> Path:
    """Where the replication of a record's file by somebody belongs, beside it."""
    return record.with_suffix(SUFFIX) / f"{by}.json"


def record_path(replication: Path) -> Path:
    """The record's file that a replication's file is beside."""
    return replication.parent.with_suffix(".json")


def check_name(by: str) -> None:
    """Raises a RecordError where a name cannot be the `by` of a replication."""
    if len(by) > LONGEST_WHO or not re.fullmatch(WHO, by):
        raise RecordError(
            f"--attest: got {one_line(by)!r}, expected a GitHub name in lower case: at most "
            f"{LONGEST_WHO} letters, digits and single hyphens"
        )


def replication_text(replication: Replication) -> str:
    """The replication as JSON text."""
    return pretty_json(replication.model_dump(mode="json"))


def read_replication(path: Path) -> Replication:
    """Read one replication; a RecordError names the file, the field and what is wrong."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise RecordError(f"{path}: not a regular file")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_REPLICATION_BYTES + 1)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_REPLICATION_BYTES:
        raise RecordError(f"{path}: expected at most {MAX_REPLICATION_BYTES:,} bytes")
    try:
        found = Replication.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = one_line(".".join(map(str, first["loc"]))) or "replication"
        raise RecordError(f"{path}: {field}: {one_line(first['msg'])}") from None
    if content != replication_text(found).encode():
        raise RecordError(f"{path}: not as conebench writes it")
    return found


def check_replication(path: Path, record: Record) -> Replication:
    """The replication in a file beside this record; a RecordError says what cannot be true."""
    found = read_replication(path)
    problem = next(_problems(path, found, record), None)
    if problem:
        raise RecordError(f"{path}: {problem}")
    return found


def _problems(path: Path, found: Replication, record: Record) -> Iterator[str]:
    if path.stem != found.by:
        yield f"by: got {found.by!r}, the file is named {path.stem!r}"
    if found.record_hash != record.hash:
        yield f"record_hash: got {found.record_hash[:8]}, the record's is {record.id}"
    measured = [seed.seed for seed in record.seeds]
    if found.seeds != [seed for seed in measured if seed in found.seeds]:
        yield f"seeds: got {found.seeds}, expected the record's, each once, of {measured}"
    tolerance = narrowest(found.largest)
    if found.tolerance != tolerance:
        needed = tolerance or "more than any tolerance"
        yield f"tolerance: got {found.tolerance}, its largest differences need {needed}"
    if found.provenance == record.provenance:
        yield "provenance: that of the record itself, a replay has its own"


def replications_of(record: Path) -> list[Path]:
    """The files beside a record's file that are to be replications of it, sorted."""
    return sorted(record.with_suffix(SUFFIX).glob("*"))


def read_both(path: Path) -> Replication:
    """The replication in a file, checked against the record that it is beside."""
    record = record_path(path)
    if not record.is_file():
        raise RecordError(f"{path}: no record {record.name} beside it")
    return check_replication(path, read_record(record))
