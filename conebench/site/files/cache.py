"""Reusing the files of an earlier site.

The board is to hold hundreds of records, and most builds add one: docs/performance.md has the times
with and without reuse. A site keeps notes: for each record, the hash of its file and what shared
pages say of it; for all, the hash of the program. Every file follows from records and program
alone, so a site built in steps has the bytes of one built at once.
"""

import filecmp
import functools
import gzip
import hashlib
import os
import platform
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

import conebench
from conebench.record.files import MAX_BYTES
from conebench.record.replication import MAX_REPLICATION_BYTES, replications_of
from conebench.site.files.find import RecordFile
from conebench.site.files.write import SiteRecord, own_files, size_of

NOTES = ".conebench-notes.json.gz"
# Other packages that pages are made with.
MAKERS = ("jinja2", "markupsafe", "numpy", "pydantic", "ruamel.yaml")


@dataclass(frozen=True)
class Note:
    """A record on a site, with the hash of its file."""

    key: str
    record: SiteRecord


@dataclass(frozen=True)
class Notes:
    """All records of a site, in order."""

    program: str
    records: list[Note]


@dataclass(frozen=True)
class RecordSource:
    """Paths of a record's files."""

    record: SiteRecord
    # The folder of new files; None if the earlier site has them.
    made: Path | None = None


_NOTES = TypeAdapter(Notes)


def write_notes(records: Sequence[Note], site: Path) -> None:
    """Write what the site holds, for the next build."""
    text = _NOTES.dump_json(Notes(program(), list(records)))
    (site / NOTES).write_bytes(gzip.compress(text, mtime=0))


def kept_records(site: Path) -> dict[str, RecordSource]:
    """Return the records whose files on an earlier site are whole.

    The keys are the hashes of their files. Empty if there is no site, another program built it, or
    its notes cannot be read.
    """
    try:
        notes = _NOTES.validate_json(gzip.decompress((site / NOTES).read_bytes()))
    except (OSError, EOFError, zlib.error, ValidationError):
        return {}
    # Other code may write other pages.
    if notes.program != program():
        return {}
    whole = (note for note in notes.records if _is_whole(note.record, site / "records"))
    return {note.key: RecordSource(note.record) for note in whole}


def _is_whole(record: SiteRecord, folder: Path) -> bool:
    files = own_files(folder, record.row.record_id)
    return (len(files), size_of(files)) == (record.files, record.size)


@functools.cache
def program() -> str:
    """Return the hash of all code that makes pages."""
    digest = hashlib.sha256()
    package = Path(conebench.__file__).parent
    for path in sorted(package.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(package).as_posix()} {content}\n".encode())
    for name in MAKERS:
        digest.update(f"{name} {version(name)}\n".encode())
    digest.update(platform.python_version().encode())
    return digest.hexdigest()


def content_key(file: RecordFile) -> str:
    """Return the hash of a record's file and of its replications.

    A plus joins the two. A file that cannot be a record has its path instead.
    """
    try:
        if file.problem or file.path.stat().st_size > MAX_BYTES:
            return str(file.path)
        key = hashlib.sha256(file.path.read_bytes()).hexdigest()
        replications = replications_of(file.path)
        return f"{key}+{_hash_of(replications)}" if replications else key
    except OSError:
        return str(file.path)


def same_record(key: str, other: str) -> bool:
    """Return True if two keys are of equal record files."""
    return key.partition("+")[0] == other.partition("+")[0]


def _hash_of(replications: Sequence[Path]) -> str:
    """Hash the names and contents of replications."""
    digest = hashlib.sha256()
    for path in replications:
        readable = path.is_file() and path.stat().st_size <= MAX_REPLICATION_BYTES
        content = path.read_bytes() if readable and not path.is_symlink() else b""
        digest.update(f"{path.name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def keep_files(record_id: str, old: Path, new: Path) -> None:
    """Link a record's files on the old site into the new one."""
    for path in own_files(old, record_id):
        keep_file(path, new / path.relative_to(old))


def keep_equal(old: Path, new: Path) -> None:
    """Link shared files of the old site that are equal."""
    for path in _shared_files(new):
        earlier = old / path.relative_to(new)
        if earlier.is_file() and filecmp.cmp(path, earlier, shallow=False):
            path.unlink()
            keep_file(earlier, path)


def _shared_files(site: Path) -> list[Path]:
    """Return the files that belong to no single record."""
    inside = [path for path in site.iterdir() if path.name != "records"]
    below = [path for folder in inside for path in folder.rglob("*")]
    return [path for path in (*inside, *below) if path.is_file()]


def keep_file(old: Path, new: Path) -> None:
    """Link a file, or copy it where links are impossible."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copyfile(old, new)
