"""Open pull requests through GitHub's own command, gh."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conebench.contribution.board import BoardChange, markdown
from conebench.contribution.git_trees import run_git
from conebench.errors import InputError, RunError, UnmetNeedError


@dataclass(frozen=True)
class PullRequest:
    """One new file, with the branch, title and text of its pull request."""

    path: str
    content: bytes
    branch: str
    title: str
    text: str


def pull_request_text(
    title: str, changes: Sequence[BoardChange] = (), remarks: Sequence[str] = ()
) -> str:
    """Write the text of a pull request: the change of the board as a table, and remarks."""
    parts = [title, markdown(changes).rstrip(), "\n".join(f"- {remark}" for remark in remarks)]
    return "\n\n".join(filter(None, parts)) + "\n"


def why_not_gh() -> str | None:
    """Say why gh cannot open a pull request. None if it can."""
    if shutil.which("gh") is None:
        return "gh is not installed (https://cli.github.com)"
    logged_in = subprocess.run(
        ["gh", "auth", "status"],  # noqa: S607  # as the user calls it
        capture_output=True,
        check=False,
    )
    return "gh is not logged in: call gh auth login" if logged_in.returncode else None


def open_pull_request(repository: Path, proposed: PullRequest) -> None:
    """Commit the file on a branch from the last commit, and let gh open the pull request.

    The user's checkout stays as it is.

    Raises:
        UnmetNeedError: git does not know the user's name.
        InputError: git refuses, for instance since the branch is in use.
        RunError: gh ended with an error, which it has shown.

    """
    _check_name(repository)
    # A killed call may have left its folder in git's list.
    run_git(repository, "worktree", "prune")
    with tempfile.TemporaryDirectory() as aside:
        folder, text = Path(aside, "checkout"), Path(aside, "text.md")
        text.write_text(proposed.text, encoding="utf-8")
        start = ("--quiet", "-B", proposed.branch, str(folder), "HEAD")
        run_git(repository, "worktree", "add", *start)
        try:
            _commit(folder, proposed)
            # On the user's terminal: gh asks where to push, and offers to make a fork.
            done = subprocess.run(  # noqa: S603
                ["gh", "pr", "create", "--title", proposed.title, "--body-file", str(text)],  # noqa: S607
                cwd=folder,
                check=False,
            )
        finally:
            run_git(repository, "worktree", "remove", "--force", str(folder))
    if done.returncode:
        raise RunError(
            f"gh pr create: exit code {done.returncode}; the commit is on branch {proposed.branch}"
        )


def _check_name(repository: Path) -> None:
    try:
        run_git(repository, "var", "GIT_AUTHOR_IDENT")
    except InputError:
        raise UnmetNeedError(
            "git does not know your name: call git config --global user.name NAME and "
            "git config --global user.email ADDRESS"
        ) from None


def _commit(folder: Path, proposed: PullRequest) -> None:
    target = folder / proposed.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(proposed.content)
    run_git(folder, "add", "--", proposed.path)
    run_git(folder, "commit", "--quiet", "--message", proposed.title)
