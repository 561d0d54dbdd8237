"""Putting each record's files on a new site."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conebench.site.files.cache import (
    Note,
    RecordSource,
    content_key,
    keep_files,
    kept_records,
    same_record,
)
from conebench.site.files.find import RecordFile
from conebench.site.files.write import Refused, write_records

Skipped = list[tuple[RecordFile, str]]


@dataclass(frozen=True)
class _Placed:
    """A record to show, and its first file."""

    file: RecordFile
    key: str
    source: RecordSource


def place_records(
    files: Sequence[RecordFile], new: Path, old: Path, aside: Path
) -> tuple[list[Note], Skipped]:
    """Put the files of all records on the site `new`.

    Files of an earlier site at `old` are kept if still valid; others are made under `aside`.

    Returns:
        The records shown, and the files left out with the reason.

    """
    keyed = [(content_key(file), file) for file in files]
    sources: dict[str, RecordSource | Refused] = {**kept_records(old)}
    # Of files with equal bytes the first is read.
    todo = {key: file for key, file in reversed(keyed) if key not in sources}
    written = write_records(list(todo.values()), aside)
    for i, (key, record) in enumerate(zip(todo, written, strict=True)):
        sources[key] = (
            record if isinstance(record, Refused) else RecordSource(record, aside / str(i))
        )
    placed, skipped = _first_of_each(keyed, sources)
    (new / "records").mkdir()
    for item in placed:
        _move(item.source, new / "records", old / "records")
    return [Note(item.key, item.source.record) for item in placed], skipped


def _first_of_each(
    keyed: Iterable[tuple[str, RecordFile]], sources: Mapping[str, RecordSource | Refused]
) -> tuple[list[_Placed], Skipped]:
    """Return the first file of each record, and the others."""
    placed: dict[str, _Placed] = {}
    skipped: Skipped = []
    for key, file in keyed:
        source = sources[key]
        if isinstance(source, Refused):
            skipped.append((file, source.reason))
            continue
        item = _Placed(file, key, source)
        twin = placed.setdefault(source.record.row.record_id, item)
        if twin is item:
            skipped += _refused_replications(file, source)
        # A plain copy is not reported: a run's record is submitted by copying it.
        elif not same_record(twin.key, key):
            skipped.append((file, f"the same results as {twin.file.label}"))
    return list(placed.values()), skipped


def _refused_replications(file: RecordFile, source: RecordSource) -> Skipped:
    folder = file.label.rpartition("/")[0]
    return [
        (RecordFile(file.path.parent / name, f"{folder}/{name}"), reason)
        for name, reason in source.record.refused
    ]


def _move(source: RecordSource, new: Path, old: Path) -> None:
    if source.made is None:
        keep_files(source.record.row.record_id, old, new)
        return
    for path in source.made.iterdir():
        path.rename(new / path.name)
