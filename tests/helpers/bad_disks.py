"""Folders that cannot be written: a file system of their own, read-only or full."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

REASONS = {"read-only": "Read-only file system", "full": "No space left on device"}


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A small file system in a folder; skips the test where none may be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


def break_disk(folder: Path, how: str) -> None:
    """Let no byte more be written to a file system; files of no bytes may be, where it is full."""
    if how == "read-only":
        remount(folder, "ro")
        return
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass
