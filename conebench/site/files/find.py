"""Which files under the given folders are records."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conebench.errors import RecordError
from conebench.record.replication import SUFFIX, replications_of

RECORD_NAME = re.compile(r"record\.json|[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9a-f]{8}\.json")


@dataclass(frozen=True)
class Found:
    """A file to read, the name it goes by on the site, and why it cannot be read, if so.

    `label` starts at the folder that was given: the site never names a machine's own paths.
    """

    path: Path
    label: str
    problem: str = ""


def find_records(folders: Sequence[Path]) -> list[Found]:
    """All files named as records are, each once, folder by folder and sorted within each."""
    every = [found for folder in folders for found in sorted(_walk(folder), key=lambda f: f.label)]
    once = {found.path.resolve(): found for found in reversed(every)}
    return [found for found in every if once[found.path.resolve()] is found]


def record_files(paths: Sequence[Path]) -> list[Path]:
    """The record files at the given paths: files as they are, folders by the names of records.

    Raises a RecordError for a folder without any.
    """
    files: list[Path] = []
    for path in paths:
        inside = [found.path for found in find_records([path])] if path.is_dir() else [path]
        if not inside:
            raise RecordError(f"{path}: the folder holds no record")
        files += inside
    return files


def replication_files(paths: Sequence[Path]) -> list[Path]:
    """The replications beside records at the given paths, and in folders those without a record."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(folder for folder in path.rglob(f"*{SUFFIX}") if folder.is_dir())
            files += sorted(file for folder in inside for file in folder.iterdir())
        else:
            files += replications_of(path)
    return files


def _walk(folder: Path) -> Iterator[Found]:
    unreadable: list[OSError] = []
    for parent, inside, names in os.walk(folder, onerror=unreadable.append, followlinks=False):
        # A replication is named after whoever made it, who may be called like a record.
        inside[:] = [name for name in inside if not name.endswith(SUFFIX)]
        for name in filter(RECORD_NAME.fullmatch, names):
            yield _found(Path(parent, name), folder)
    for error in unreadable:
        yield _found(Path(error.filename), folder, f"cannot be read: {error.strerror}")


def _found(path: Path, folder: Path, problem: str = "") -> Found:
    if path.is_symlink() or not (path.is_file() or problem):
        problem = "not a regular file"
    return Found(path, (folder.name / path.relative_to(folder)).as_posix(), problem)
