"""`conebench clean [RUN_DIR]`."""

from pathlib import Path
from typing import Annotated

import typer

from conebench.cli.exits import errors_as_exit_codes
from conebench.cli.terminal import echo
from conebench.storage.status import OldFile, find_runs, old_files, remove_old_files


def clean(
    run_dir: Annotated[
        Path, typer.Argument(help="Folder of one run, or of several (--run-dir).")
    ] = Path("runs"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the files.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove stages that the last run of their spec no longer uses, and damaged files."""
    with errors_as_exit_codes():
        stores = find_runs(run_dir)
        found = [old for store in stores for old in old_files(store)]
    for old in found:
        echo(f"{old.bytes:>15,} bytes  {old.path}")
    if not found or dry_run:
        echo(f"{_total(found)} can be removed")
        return
    if not yes and not typer.confirm(f"Remove {_total(found)}?"):
        return
    with errors_as_exit_codes():
        removed = [old for store in stores for old in remove_old_files(store)]
    echo(f"{_total(removed)} removed")


def _total(found: list[OldFile]) -> str:
    return f"{len(found)} old stages or files, {sum(old.bytes for old in found):,} bytes"
