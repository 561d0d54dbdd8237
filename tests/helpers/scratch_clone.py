"""A clone with a bare remote, in which specs and records are proposed."""

import os
import shutil
import subprocess
from pathlib import Path

from synthetic import make_record, make_spec

from conebench.contribution import GitTrees, problems_of, read_proposal
from conebench.record import Record, record_text
from conebench.spec import spec_text

GIT = {
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}
SPEC = make_spec()


def clean(record: Record, **changes: object) -> Record:
    """The record as committed code would have made it."""
    committed = {"git_commit": "c" * 40, "git_dirty": False}
    made = record.provenance.model_copy(update={**committed, **changes})
    return record.model_copy(update={"provenance": made})


OLD = clean(make_record(SPEC))
NEW = clean(make_record(SPEC, noise=0.2))


def path_of(record: Record) -> str:
    return f"leaderboard/records/{record.spec.name}/2026-01-02-{record.id}.json"


class Clone:
    """A clone of a bare repository, with the proposal on a branch of its own."""

    def __init__(self, folder: Path, remote: Path) -> None:
        self.folder = folder
        self.git("clone", "--quiet", str(remote), str(folder), cwd=remote)

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.folder,
            env=os.environ | GIT,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def commit(self, *, push_to: str) -> None:
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x")
        self.git("push", "--quiet", "origin", f"HEAD:{push_to}")

    def problems(self) -> list[str]:
        """Of the branch as the remote has it, against its main."""
        self.git("fetch", "--quiet", "origin")
        trees = GitTrees(self.folder)
        return problems_of(read_proposal(trees, "origin/main", "origin/proposal"))


def make_remote(folder: Path) -> Path:
    """A bare repository with one spec and one record of it."""
    remote = folder / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", remote], check=True)
    clone = Clone(folder / "first", remote)
    clone.write(f"specs/{SPEC.name}.yaml", spec_text(SPEC))
    clone.write(path_of(OLD), record_text(OLD))
    clone.write("conebench/code.py", "x = 1\n")
    clone.commit(push_to="main")
    return remote


def cloned(remote: Path, folder: Path) -> Clone:
    """A clone of a copy of the remote, so that each test has both for itself."""
    shutil.copytree(remote, folder / "remote.git")
    return Clone(folder / "clone", folder / "remote.git")
