"""What is proposed: a base, and the files of specs/ and leaderboard/records/ that change it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conebench.contribution.git_trees import REGULAR, Change, GitTrees
from conebench.record.files import MAX_BYTES as MAX_RECORD_BYTES
from conebench.record.replication import MAX_REPLICATION_BYTES, SUFFIX

SPECS, RECORDS = "specs/", "leaderboard/records/"
REPLICATIONS = f"{SUFFIX}/"
MAX_SPEC_BYTES = 200_000
MAX_FILES = 50

Lane = Literal["none", "code", "data"]


@dataclass(frozen=True)
class Proposal:
    """Changes on the way to a base, with the content of those of them that may be read.

    `before` are the files that the base has now, `contents` the proposed ones, both by path;
    `moved` the paths that changed on the base too since the proposal left it.
    """

    changes: list[Change]
    before: dict[str, bytes]
    contents: dict[str, bytes]
    sizes: dict[str, int]
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
        """`data` where records change or only specs do; specs with code are read as code is."""
        if not self.data:
            return "none"
        with_records = any(change.path.startswith(RECORDS) for change in self.data)
        return "data" if with_records or not self.others else "code"

    @property
    def after(self) -> dict[str, bytes]:
        """Specs and records as they would be."""
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
    """What `head` changes since it left `base`, on top of what `base` has now.

    Links, programs and files over the size limits are never read.
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
    """One record or replication on top of the last commit."""
    change = Change(path, "A", REGULAR, "")
    return Proposal([change], _files(trees, "HEAD"), {path: content}, {path: len(content)})


def most_bytes(path: str) -> int:
    """How large a proposed file may be."""
    if is_replication(path):
        return MAX_REPLICATION_BYTES
    return MAX_RECORD_BYTES if path.startswith(RECORDS) else MAX_SPEC_BYTES


def is_record(path: str) -> bool:
    """Whether a path is where records are, and no replication's."""
    return path.startswith(RECORDS) and not is_replication(path)


def is_replication(path: str) -> bool:
    """Whether a path is where replications are."""
    return path.startswith(RECORDS) and REPLICATIONS in path


@contextmanager
def unpacked(files: dict[str, bytes]) -> Iterator[Path]:
    """A temporary folder of the files; their paths must have been checked."""
    with tempfile.TemporaryDirectory() as name:
        for path, content in files.items():
            target = Path(name, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        yield Path(name)


def _files(trees: GitTrees, revision: str) -> dict[str, bytes]:
    found = trees.files(revision, SPECS) | trees.files(revision, RECORDS)
    return {path: trees.read(blob) for path, blob in found.items()}
