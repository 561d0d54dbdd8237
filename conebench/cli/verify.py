"""`conebench verify RECORD`."""

import os
import sys
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conebench.cli.display import open_progress
from conebench.cli.exits import errors_as_exit_codes
from conebench.cli.options import DataRoot, DeviceName, Jobs, check_device, quiet_torch_jit
from conebench.errors import ExitCode, InputError, StorageError
from conebench.record import Record, read_record
from conebench.record.compare import (
    TOLERANCES,
    Difference,
    compare_records,
    stack_differences,
)
from conebench.record.replication import (
    Replication,
    attest,
    check_name,
    replication_path,
    replication_text,
)
from conebench.storage.atomic_files import write_new


def verify(
    record: Annotated[Path, typer.Argument(help="A record.", metavar="RECORD")],
    seed: Annotated[
        list[int] | None, typer.Option(help="Only this seed of the record; may be repeated.")
    ] = None,
    tolerance: Annotated[
        str, typer.Option(help="bits, rounding, or auto: bits on the stack of the record.")
    ] = "auto",
    data_root: DataRoot = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder to keep the replay in; default: a temporary one.")
    ] = None,
    device: DeviceName = "auto",
    jobs: Jobs = 1,
    attester: Annotated[
        str | None,
        typer.Option(
            "--attest",
            metavar="NAME",
            help="Where it passes, write that NAME replicated it, beside the record.",
        ),
    ] = None,
) -> None:
    """Run a record's spec again on this machine and compare; exit code 1 where they differ."""
    with errors_as_exit_codes():
        recorded = read_record(record)
        _check(recorded, seed, tolerance)
        _check_folder(record, recorded, run_dir)
        check_device(device)
        if attester is not None:
            _check_attester(record, attester)
        replayed = _replay(recorded, seed, data_root, run_dir, device, jobs)
    stack = stack_differences(recorded.provenance, replayed.provenance)
    chosen = tolerance if tolerance in TOLERANCES else "rounding" if stack else "bits"
    found = compare_records(recorded, replayed, chosen)  # type: ignore[arg-type]  # checked above
    _print(found)
    typer.echo(f"stack: {'; '.join(stack) or 'the same'}")
    failed = sum(not difference.passes for difference in found)
    typer.echo(f"tolerance {chosen}: {failed} of {len(found)} quantities differ by more")
    if failed:
        raise typer.Exit(ExitCode.BAD_INPUT)
    if attester is not None:
        with errors_as_exit_codes():
            _write(record, attest(recorded, replayed, found, attester))


def _check(recorded: Record, seeds: list[int] | None, tolerance: str) -> None:
    known = [found.seed for found in recorded.seeds]
    for seed in seeds or []:
        if seed not in known:
            raise InputError(
                f"--seed: got {seed}, expected the record's: {', '.join(map(str, known))}"
            )
    if tolerance not in (*TOLERANCES, "auto"):
        raise InputError(f"--tolerance: got {tolerance!r}, expected {', '.join(TOLERANCES)}, auto")


def _check_folder(record: Path, recorded: Record, run_dir: Path | None) -> None:
    if run_dir and (run_dir / recorded.spec.name).resolve() == record.resolve().parent:
        raise InputError(
            f"--run-dir: got {run_dir}, which the record itself is from; expected another folder"
        )


def _check_attester(record: Path, attester: str) -> None:
    check_name(attester)
    path = replication_path(record, attester)
    if path.exists():
        raise InputError(f"{path}: is there already, nothing is ever overwritten")
    if not os.access(record.parent, os.W_OK):
        raise StorageError(f"{path}: cannot be written: no permission")


def _write(record: Path, replication: Replication) -> None:
    path = replication_path(record, replication.by)
    try:
        write_new(path, replication_text(replication).encode())
    except FileExistsError:
        raise InputError(f"{path}: is there already, nothing is ever overwritten") from None
    typer.echo(f"wrote {path}; now: conebench submit {path}")


def _replay(
    recorded: Record,
    seeds: list[int] | None,
    data_root: Path | None,
    run_dir: Path | None,
    device: str,
    jobs: int,
) -> Record:
    quiet_torch_jit()
    # These import torch, so only a replay pays for it.
    from conebench.data.sources import default_data_root
    from conebench.runner import RunOptions
    from conebench.runner.replay import replay
    from conebench.runner.stages.device import choose_device

    chosen = choose_device(device)  # type: ignore[arg-type]  # checked above
    with ExitStack() as stack:
        folder = run_dir or Path(stack.enter_context(TemporaryDirectory(prefix="conebench-")))
        only = tuple(seeds) if seeds else None
        options = RunOptions(data_root or default_data_root(), folder, chosen, only, jobs=jobs)
        stack.enter_context(redirect_stdout(sys.stderr))
        progress = stack.enter_context(open_progress(Console(stderr=True), recorded.spec.name))
        return replay(recorded, options, progress)


def _print(found: list[Difference]) -> None:
    table = Table(box=None)
    table.add_column("seed", justify="right")
    table.add_column("quantity")
    table.add_column("largest difference", justify="right")
    table.add_column("allowed", justify="right")
    table.add_column("")
    for difference in found:
        verdict = "" if difference.passes else "differs"
        amounts = (f"{difference.largest:.2g}", f"{difference.allowed:g}")
        row = (str(difference.seed), difference.quantity, *amounts, verdict)
        table.add_row(*map(Text, row))
    Console().print(table)
