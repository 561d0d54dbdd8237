"""Atomic file writes with an embedded SHA-256.

The digest is that of the file with zeros in the digest's place. One rename thus brings content and
digest together, and a read finds any flipped bit and any cut.
"""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from conebench.errors import StorageError

# Stands for the digest until the file is sealed.
UNSEALED = {"checksum": "0" * 64}

_MARK = re.compile(rb'"checksum": ?"([0-9a-f]{64})"')
# The mark is near the start: the first field of JSON, the header of tensors.
_BLOCK = 2**20

_log = logging.getLogger(__name__)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path that replaces `path` if the block succeeds."""
    # The leading dot hides it from every listing, the process id keeps two processes apart.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        # Before the rename: a power cut could otherwise leave the name without the content.
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise storage_error(error, path) from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def storage_error(error: OSError, path: Path | None = None) -> StorageError:
    """Turn an OSError into one line that names the file."""
    place, reason = path or error.filename, error.strerror or str(error)
    return StorageError(f"{place}: {reason}" if place else reason)


def write_new(path: Path, content: bytes) -> None:
    """Write a file atomically. Raise a FileExistsError if it is there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # An empty file claims the name: of two processes, one gets the FileExistsError.
        path.open("xb").close()
    except FileExistsError:
        raise
    except OSError as error:
        raise storage_error(error, path) from None
    try:
        with whole_file(path) as temporary:
            temporary.write_bytes(content)
    except BaseException:
        path.unlink()
        raise


def seal(path: Path) -> None:
    """Write the digest of an unsealed file into it."""
    with path.open("r+b") as file:
        digest, place = _digest(file)
        if place is None:
            raise ValueError(f"{path}: has no place for its checksum")
        file.seek(place.start)
        file.write(digest)


def is_whole(file: BinaryIO) -> bool:
    """Return True if a sealed file is byte for byte what was written."""
    digest, place = _digest(file)
    if place is None:
        return False
    file.seek(place.start)
    return file.read(len(digest)) == digest


def _digest(file: BinaryIO) -> tuple[bytes, slice | None]:
    """Compute the digest of a file and find its place in it."""
    head = bytearray(file.read(_BLOCK))
    mark = _MARK.search(head)
    if mark is None:
        return b"", None
    place = slice(*mark.span(1))
    # A match keeps the bytearray from being changed.
    del mark
    head[place] = b"0" * 64
    digest = hashlib.sha256(head)
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest().encode(), place


def whole_or_set_aside(path: Path) -> bool:
    """Return True if the file is there and whole. Rename it if it is damaged."""
    try:
        with path.open("rb") as file:
            if is_whole(file):
                return True
        set_aside(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise storage_error(error, path) from None
    return False


def set_aside(path: Path) -> None:
    """Rename a damaged file, and log it."""
    aside = path.with_name(f"{path.name}.damaged")
    path.replace(aside)
    _log.warning("%s: damaged; renamed to %s, will be made again", path, aside.name)


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, path) from None


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write plain JSON data as a sealed file."""
    with whole_file(path) as temporary:
        text = json.dumps({**UNSEALED, **data}, allow_nan=False)
        temporary.write_text(text, encoding="utf-8")
        seal(temporary)


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a sealed file. None if it is missing or damaged."""
    if not whole_or_set_aside(path):
        return None
    data: dict[str, Any] = json.loads(path.read_bytes())
    del data["checksum"]
    return data
