"""`conebench submit RUN_DIR|RECORD`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from conebench.cli.exits import errors_as_exit_codes
from conebench.errors import InputError
from conebench.sealed import write_new

if TYPE_CHECKING:
    from conebench.contribution import BoardChange

STEPS = """
Now, in a clone whose origin is your fork:
  git switch -c record-{name}-{id}
  git add {path}
  git commit -m "Record of {name} ({id})"
  git push -u origin record-{name}-{id}
and open a pull request. Its checks are those that just passed."""


def submit(
    source: Annotated[Path, typer.Argument(help="A record, or the folder of a run.")],
    repository: Annotated[
        Path, typer.Option(help="Checkout of conebench that the record goes into.")
    ] = Path(),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and show everything, copy nothing.")
    ] = False,
) -> None:
    """Check a record as pull requests are checked, show the board's change, put it in its place."""
    from conebench.contribution import (
        GitTrees,
        board_change,
        canonical_path,
        problems_of,
        record_proposal,
    )
    from conebench.record import read_record

    with errors_as_exit_codes():
        file = source / "record.json" if source.is_dir() else source
        record = read_record(file)
        path, content = canonical_path(record), file.read_bytes()
        proposal = record_proposal(GitTrees(repository), path, content)
        problems = problems_of(proposal)
        if problems:
            raise InputError("\n".join(problems))
        _show(board_change(proposal))
        if not dry_run:
            _write(repository / path, content)
    typer.echo(f"{'would write' if dry_run else 'wrote'} {repository / path}")
    typer.echo(STEPS.format(name=record.spec.name, id=record.id, path=path))


def _show(changes: "list[BoardChange]") -> None:
    from conebench.contribution.board import COLUMNS

    console = Console(highlight=False, markup=False, soft_wrap=True)
    for change in changes:
        console.print(change.label)
        table = Table(box=None)
        for name in COLUMNS:
            table.add_column(name)
        for line in change.lines:
            table.add_row(*line)
        console.print(table)


def _write(path: Path, content: bytes) -> None:
    try:
        write_new(path, content)
    except FileExistsError:
        raise InputError(f"{path}: is there already, nothing is ever overwritten") from None
