"""Finding the files of records under the given folders."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conebench.errors import RecordError
from conebench.record.replication import SUFFIX, replications_of

RECORD_NAME = re.compile(r"record\.json|[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9a-f]{8}\.json")


@dataclass(frozen=True)
class RecordFile:
    """A file to read as a record."""

    path: Path
    # Its name on the site, which never names a machine's own paths.
    label: str
    # Why it cannot be read, if so.
    problem: str = ""


def find_records(folders: Sequence[Path]) -> list[RecordFile]:
    """Return all files named as records are, each once."""
    files = [
        file
        for folder in folders
        for file in sorted(_walk_records(folder), key=lambda file: file.label)
    ]
    # Of a file in several folders, the first one counts.
    first = {file.path.resolve(): file for file in reversed(files)}
    return [file for file in files if first[file.path.resolve()] is file]


def record_files(paths: Sequence[Path]) -> list[Path]:
    """Return the record files at paths; folders are searched.

    Raises a RecordError for a folder without any.
    """
    files: list[Path] = []
    for path in paths:
        inside = [file.path for file in find_records([path])] if _is_folder(path) else [path]
        if not inside:
            raise RecordError(f"{path}: the folder holds no record")
        files += inside
    return files


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        # A name that no file can have.
        return False


def replication_files(paths: Sequence[Path]) -> list[Path]:
    """Return the replications of the records at paths.

    In folders, replications without a record are among them.
    """
    files: list[Path] = []
    for path in paths:
        if _is_folder(path):
            inside = sorted(folder for folder in path.rglob(f"*{SUFFIX}") if folder.is_dir())
            files += sorted(file for folder in inside for file in folder.iterdir())
        else:
            files += replications_of(path)
    return files


def _walk_records(folder: Path) -> Iterator[RecordFile]:
    unreadable: list[OSError] = []
    for parent, inside, names in os.walk(folder, onerror=unreadable.append, followlinks=False):
        # A replication has its author's name, which may look like the name of a record.
        inside[:] = [name for name in inside if not name.endswith(SUFFIX)]
        for name in filter(RECORD_NAME.fullmatch, names):
            yield _record_file(Path(parent, name), folder)
    for error in unreadable:
        yield _record_file(Path(error.filename), folder, f"cannot be read: {error.strerror}")


def _record_file(path: Path, folder: Path, problem: str = "") -> RecordFile:
    if path.is_symlink() or not (path.is_file() or problem):
        problem = "not a regular file"
    return RecordFile(path, (folder.name / path.relative_to(folder)).as_posix(), problem)
