"""`conebench submit RUN_DIR|RECORD|REPLICATION`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from conebench.cli.exits import errors_as_exit_codes
from conebench.cli.terminal import Terminal, echo
from conebench.errors import InputError
from conebench.storage.atomic_files import write_new

if TYPE_CHECKING:
    from conebench.contribution import BoardChange, Proposal

STEPS = """
Now, in a clone whose origin is your fork:
  git switch -c {branch}
  git add {path}
  git commit -m "{message}"
  git push -u origin {branch}
and open a pull request. It runs the checks that have just passed."""


@dataclass(frozen=True)
class Submission:
    """A file, its path in the repository, and its branch and commit message."""

    file: Path
    path: str
    branch: str
    message: str
    # Of a network of the author's, as name==version.
    package: str | None = None


def submit(
    source: Annotated[
        Path, typer.Argument(help="A record, the folder of a run, or a replication.")
    ],
    repository: Annotated[
        Path, typer.Option(help="Checkout of conebench to copy the file into.")
    ] = Path(),
    open_pr: Annotated[
        bool,
        typer.Option(
            "--open-pr",
            help="Open the pull request with gh instead of copying. "
            "Without gh, copy and show what to do.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and show everything, but change nothing.")
    ] = False,
) -> None:
    """Check a record as a pull request would, show the new board, and copy it into place.

    Replications by `conebench verify --attest` are submitted in the same way.
    """
    from conebench.contribution import GitTrees, file_proposal, problems_of, release_problem

    with errors_as_exit_codes():
        found = _submission(source / "record.json" if source.is_dir() else source)
        proposal = file_proposal(GitTrees(repository), found.path, found.file.read_bytes())
        problems = problems_of(proposal)
        if found.package and not problems:
            # Asked last, and only here: a pull request is judged without a network.
            problem = release_problem(found.package)
            problems = [problem] if problem else []
        if problems:
            raise InputError("\n".join(problems))
        text = _show(proposal, found)
        if open_pr and _opened(repository, found, text, dry_run=dry_run):
            return
        _place(repository, found, dry_run=dry_run)
    echo(STEPS.format(branch=found.branch, path=found.path, message=found.message))
    if open_pr:
        echo(f"\nThe text for it:\n\n{text}")


def _opened(repository: Path, found: Submission, text: str, *, dry_run: bool) -> bool:
    """Open the pull request. Return False if gh cannot."""
    from conebench.contribution import PullRequest, open_pull_request, why_not_gh

    missing = why_not_gh()
    if missing:
        echo(missing)
        return False
    if dry_run:
        echo(f"would open a pull request from branch {found.branch}:\n\n{text}")
        return True
    content = found.file.read_bytes()
    open_pull_request(
        repository, PullRequest(found.path, content, found.branch, found.message, text)
    )
    return True


def _place(repository: Path, found: Submission, *, dry_run: bool) -> None:
    """Copy the file into the checkout."""
    target = repository / found.path
    in_place = target.exists() and target.samefile(found.file)
    if not dry_run and not in_place:
        write_new(target, found.file.read_bytes())
    done = "already in place:" if in_place else "would write" if dry_run else "wrote"
    echo(f"{done} {target}")


def _submission(file: Path) -> Submission:
    from conebench.contribution import canonical_path
    from conebench.record import read_record
    from conebench.record.replication import SUFFIX, read_both, record_path, replication_path

    if file.parent.name.endswith(SUFFIX):
        replication, record = read_both(file), read_record(record_path(file))
        path = replication_path(Path(canonical_path(record)), replication.by).as_posix()
        branch = f"replication-{record.spec.name}-{record.id}"
        message = f"Replication of {record.spec.name} ({record.id}) by {replication.by}"
        return Submission(file, path, branch, message)
    record = read_record(file)
    branch = f"record-{record.spec.name}-{record.id}"
    message = f"Record of {record.spec.name} ({record.id})"
    return Submission(file, canonical_path(record), branch, message, record.spec.model.package)


def _show(proposal: "Proposal", found: Submission) -> str:
    """Print what a proposal changes on the board. Return the text of its pull request."""
    from conebench.contribution import board_change, pull_request_text, remarks_of

    if not proposal.records:
        return pull_request_text(found.message)
    remarks, changes = remarks_of(proposal), board_change(proposal)
    for remark in remarks:
        echo(remark)
    _print_tables(changes)
    return pull_request_text(found.message, changes, remarks)


def _print_tables(changes: "list[BoardChange]") -> None:
    from conebench.contribution.board import COLUMNS

    console = Terminal(soft_wrap=True)
    for change in changes:
        console.print(change.label)
        table = Table(box=None)
        for name in COLUMNS:
            table.add_column(name)
        for line in change.lines:
            table.add_row(*line)
        console.print(table)
