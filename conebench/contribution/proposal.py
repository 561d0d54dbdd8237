"""A proposal: a base, and changed files of specs/ and leaderboard/records/."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conebench.contribution.git_trees import REGULAR, Change, GitTrees
from conebench.record.files import MAX_BYTES as MAX_RECORD_BYTES
from conebench.record.replication import MAX_REPLICATION_BYTES, SUFFIX
from conebench.spec.yaml_text import MAX_BYTES as MAX_SPEC_BYTES

SPECS, RECORDS = "specs/", "leaderboard/records/"
REPLICATIONS = f"{SUFFIX}/"
MAX_FILES = 50

Lane = Literal["none", "code", "data"]


@dataclass(frozen=True)
class Proposal:
    """Changes to a base."""

    changes: list[Change]
    # Files of the base, by path.
    before: dict[str, bytes]
    # Proposed files that may be read, by path.
    contents: dict[str, bytes]
    sizes: dict[str, int]
    # Paths that also changed on the base since the proposal left it.
    moved: frozenset[str] = frozenset()

    @property
    def data(self) -> list[Change]:
        """Changes of specs and records."""
        return [change for change in self.changes if change.path.startswith((SPECS, RECORDS))]

    @property
    def others(self) -> list[Change]:
        """Changes of anything else."""
        return [c for c in self.changes if not c.path.startswith((SPECS, RECORDS))]

    @property
    def lane(self) -> Lane:
        """`data` if records change, or only specs. Specs together with code count as code."""
        if not self.data:
            return "none"
        with_records = any(change.path.startswith(RECORDS) for change in self.data)
        return "data" if with_records or not self.others else "code"

    @property
    def after(self) -> dict[str, bytes]:
        """Specs and records as they would be after the merge."""
        gone = {change.path for change in self.changes if change.status == "D"}
        return {p: c for p, c in self.before.items() if p not in gone} | self.contents

    @property
    def records(self) -> list[str]:
        """Paths of the proposed records."""
        return sorted(filter(is_record, self.contents))

    @property
    def replications(self) -> list[str]:
        """Paths of the proposed replications."""
        return sorted(filter(is_replication, self.contents))


def read_proposal(trees: GitTrees, base: str, head: str) -> Proposal:
    """Return the changes of `head` since it left `base`, applied to `base`.

    Links, executables and files over the size limits are never read.
    """
    base, head = trees.commit(base), trees.commit(head)
    left = trees.merge_base(base, head)
    moved = frozenset(change.path for change in trees.changes(left, base))
    proposal = Proposal(trees.changes(left, head), {}, {}, {}, moved)
    if proposal.lane != "data" or len(proposal.data) > MAX_FILES:
        return proposal
    for change in proposal.data:
        if change.mode == REGULAR:
            size = proposal.sizes[change.path] = trees.size(change.blob)
            if size <= most_bytes(change.path):
                proposal.contents[change.path] = trees.read(change.blob)
    proposal.before.update(_files(trees, base))
    return proposal


def file_proposal(trees: GitTrees, path: str, content: bytes) -> Proposal:
    """Return a proposal of one record or replication on top of the last commit."""
    change = Change(path, "A", REGULAR, "")
    return Proposal([change], _files(trees, "HEAD"), {path: content}, {path: len(content)})


def most_bytes(path: str) -> int:
    """Return the size limit of a proposed file in bytes."""
    if is_replication(path):
        return MAX_REPLICATION_BYTES
    return MAX_RECORD_BYTES if path.startswith(RECORDS) else MAX_SPEC_BYTES


def is_record(path: str) -> bool:
    """Return True if a path is that of a record."""
    return path.startswith(RECORDS) and not is_replication(path)


def is_replication(path: str) -> bool:
    """Return True if a path is that of a replication."""
    return path.startswith(RECORDS) and REPLICATIONS in path


@contextmanager
def unpacked(files: dict[str, bytes]) -> Iterator[Path]:
    """Write files to a temporary folder. Their paths must have been checked."""
    with tempfile.TemporaryDirectory() as name:
        for path, content in files.items():
            target = Path(name, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        yield Path(name)


def _files(trees: GitTrees, revision: str) -> dict[str, bytes]:
    found = trees.files(revision, SPECS) | trees.files(revision, RECORDS)
    return {path: trees.read(blob) for path, blob in found.items()}
