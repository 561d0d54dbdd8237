"""What an earlier build of a site left that still holds, so that only what changed is made anew.

A site has notes: for each record, the hash of the file it was made from and what the shared pages
say of it; for all, the hash of the program. They follow from the records and the program alone, as
every file of the site does: a site built in steps has the bytes of one built at once.
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
from conebench.site.files.find import Found
from conebench.site.files.write import Shown, own_files, size_of

NOTES = ".conebench-notes.json.gz"
ALL_RECORDS = "records.jsonl.gz"
# What turns records into pages, beside this package.
MAKERS = ("jinja2", "markupsafe", "numpy", "pydantic", "ruamel.yaml")


@dataclass(frozen=True)
class Note:
    """A record on a site, and the hash of the file that it was made from."""

    key: str
    shown: Shown


@dataclass(frozen=True)
class Notes:
    """Everything on a site, in the order of the file of all records."""

    program: str
    records: list[Note]


@dataclass(frozen=True)
class Kept:
    """A record whose files on an earlier site still hold, and where its line begins there."""

    shown: Shown
    start: int


_NOTES = TypeAdapter(Notes)


def write_notes(records: Sequence[Note], site: Path) -> None:
    """Note what the site holds, for the next build."""
    text = _NOTES.dump_json(Notes(program(), list(records)))
    (site / NOTES).write_bytes(gzip.compress(text, mtime=0))


def kept_records(site: Path) -> dict[str, Kept]:
    """The records of an earlier site, by the hash of their file, whose files are all there.

    None where there is no site, another program built it, or its notes cannot be read.
    """
    try:
        notes = _NOTES.validate_json(gzip.decompress((site / NOTES).read_bytes()))
        lines = (site / ALL_RECORDS).stat().st_size
    except (OSError, EOFError, zlib.error, ValidationError):
        return {}
    if notes.program != program() or lines != sum(note.shown.line for note in notes.records):
        return {}
    kept, start = {}, 0
    for note in notes.records:
        if _is_whole(note.shown, site / "records"):
            kept[note.key] = Kept(note.shown, start)
        start += note.shown.line
    return kept


def _is_whole(shown: Shown, folder: Path) -> bool:
    files = own_files(folder, shown.row.record_id)
    return (len(files), size_of(files)) == (shown.files, shown.size)


@functools.cache
def program() -> str:
    """The hash of all that makes pages: this package with its templates, and what it calls."""
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


def content_key(found: Found) -> str:
    """The hash of a file that may be a record, and of the replications beside it, after a plus.

    Its path where it cannot be a record.
    """
    try:
        if found.problem or found.path.stat().st_size > MAX_BYTES:
            return str(found.path)
        key = hashlib.sha256(found.path.read_bytes()).hexdigest()
        beside = replications_of(found.path)
        return f"{key}+{_hash_of(beside)}" if beside else key
    except OSError:
        return str(found.path)


def same_record(key: str, other: str) -> bool:
    """Whether two keys are of files with the same bytes, whatever is beside them."""
    return key.partition("+")[0] == other.partition("+")[0]


def _hash_of(replications: Sequence[Path]) -> str:
    """The hash of their names, and of what those hold that can be read as one."""
    digest = hashlib.sha256()
    for path in replications:
        readable = path.is_file() and path.stat().st_size <= MAX_REPLICATION_BYTES
        content = path.read_bytes() if readable and not path.is_symlink() else b""
        digest.update(f"{path.name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def keep_files(record_id: str, old: Path, new: Path) -> None:
    """Give the new site a record's files of the old one: the files themselves, not copies."""
    (new / record_id).mkdir()
    for path in own_files(old, record_id):
        keep_file(path, new / path.relative_to(old))


def keep_equal(old: Path, new: Path) -> None:
    """Of the shared files of the new site, keep the old ones where they have the same bytes."""
    for path in _shared_files(new):
        earlier = old / path.relative_to(new)
        if earlier.is_file() and filecmp.cmp(path, earlier, shallow=False):
            path.unlink()
            keep_file(earlier, path)


def _shared_files(site: Path) -> list[Path]:
    """The files that are of no single record."""
    inside = [path for path in site.iterdir() if path.name != "records"]
    below = [path for folder in inside for path in folder.rglob("*")]
    return [path for path in (*inside, *below) if path.is_file()]


def keep_file(old: Path, new: Path) -> None:
    """A second name for a file, or a copy where the disk has no such thing."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copyfile(old, new)
