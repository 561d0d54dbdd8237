"""`conebench check RECORD...`."""

from pathlib import Path
from typing import Annotated

import typer

from conebench.cli.exits import errors_as_exit_codes, show_error
from conebench.cli.terminal import echo
from conebench.errors import ExitCode, RecordError
from conebench.text import one_line


def check(
    records: Annotated[list[Path], typer.Argument(help="Records, or folders of them.")],
) -> None:
    """Check records: schema, invariants, hashes, every figure, and their replications."""
    from conebench.site import record_files, replication_files

    with errors_as_exit_codes():
        files = record_files(records)
    failed = [file for file in files if not _is_sound(file)]
    failed += [file for file in replication_files(records) if not _is_replication(file)]
    if failed:
        raise typer.Exit(ExitCode.BAD_INPUT)


def _is_sound(file: Path) -> bool:
    from conebench.record.check import check_record

    try:
        checked = check_record(file)
    except RecordError as error:
        show_error(error)
        return False
    for finding in checked.findings:
        echo(one_line(f"{file}: {finding.invariant}: {finding.detail}"), err=True)
    if not checked.findings:
        note = "every figure as recomputed"
        if not checked.figures_compared:
            note = f"figures not compared, since they are of method {checked.record.method}"
        echo(f"{file}: sound, id {checked.record.id}, {note}")
    return not checked.findings


def _is_replication(file: Path) -> bool:
    from conebench.record.replication import read_both

    try:
        found = read_both(file)
    except RecordError as error:
        show_error(error)
        return False
    seeds = ", ".join(map(str, found.seeds))
    echo(f"{file}: sound, replicated by {found.by}, seeds {seeds}, {found.tolerance}")
    return True
