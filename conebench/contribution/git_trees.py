"""Read files of commits from git's objects, with no checkout, filter or hook."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from conebench.errors import InputError, UnmetNeedError

REGULAR = "100644"
SECONDS = 120


@dataclass(frozen=True)
class Change:
    """A path that changed: git's letter (A, M, D, T), and the file's new mode and blob."""

    path: str
    status: str
    mode: str
    blob: str


class GitTrees:
    """Commits of a repository, by revision."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def commit(self, revision: str) -> str:
        """Return the full id of a commit."""
        return self._git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")

    def merge_base(self, first: str, second: str) -> str:
        """Return the common ancestor of two commits, or raise an InputError."""
        return self._git("merge-base", self.commit(first), self.commit(second))

    def changes(self, before: str, after: str) -> list[Change]:
        """Return every path that differs between two commits. A rename is a D and an A."""
        raw = self._bytes(
            *("diff-tree", "-r", "-z", "--raw", "--full-index", "--no-renames"),
            self.commit(before),
            self.commit(after),
        )
        fields = raw.split(b"\0")[:-1]
        found = []
        for description, path in zip(fields[::2], fields[1::2], strict=True):
            _, mode, _, blob, status = description.decode().split()
            found.append(Change(_text(path), status, mode, blob))
        return found

    def files(self, revision: str, folder: str) -> dict[str, str]:
        """Return the blobs of the regular files under a folder, by path."""
        raw = self._bytes("ls-tree", "-r", "-z", "--full-tree", self.commit(revision), folder)
        found = {}
        for entry in raw.split(b"\0")[:-1]:
            description, _, path = entry.partition(b"\t")
            mode, _, blob = description.decode().split()
            if mode == REGULAR:
                found[_text(path)] = blob
        return found

    def size(self, blob: str) -> int:
        """Return the size of a blob in bytes."""
        return int(self._git("cat-file", "-s", blob))

    def read(self, blob: str) -> bytes:
        """Return the content of a blob."""
        return self._bytes("cat-file", "blob", blob)

    def _git(self, *arguments: str) -> str:
        return self._bytes(*arguments).decode().strip()

    def _bytes(self, *arguments: str) -> bytes:
        return run_git(self._root, *arguments)


def run_git(root: Path, *arguments: str) -> bytes:
    """Return what a git command prints, or raise an InputError with git's reason."""
    # Replace refs of a repository could show other content under an object's id.
    command = ["git", "-C", str(root), "--no-replace-objects", *arguments]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env=os.environ | {"LC_ALL": "C"},
        )
    except OSError as error:
        raise UnmetNeedError(f"cannot run git: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise UnmetNeedError(f"git {arguments[0]} took more than {SECONDS} s") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[0] if lines else "nothing found"
        if "not a git repository" in reason:
            raise InputError(
                f"{root}: is not in a git repository; choose a clone with --repository"
            )
        raise InputError(f"{root}: git {arguments[0]}: {reason}")
    return done.stdout


def _text(path: bytes) -> str:
    # A name that is not UTF-8 becomes one that no rule allows.
    return path.decode(errors="backslashreplace")
