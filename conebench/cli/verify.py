"""`conebench verify RECORD`."""

import os
import sys
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from conebench.cli.display import open_progress
from conebench.cli.exits import errors_as_exit_codes
from conebench.cli.options import (
    DATA_ROOT,
    DataRoot,
    Device,
    DeviceName,
    Imports,
    Jobs,
    quiet_torch_jit,
)
from conebench.cli.terminal import Terminal, echo
from conebench.errors import ExitCode, InputError, StorageError
from conebench.record import Record, read_record
from conebench.record.compare import (
    Difference,
    ToleranceName,
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
        list[int] | None, typer.Option(help="Only this seed of the record; repeatable.")
    ] = None,
    tolerance: Annotated[
        Literal["auto", "bits", "rounding"],
        typer.Option(help="auto: bits on the same software and hardware, else rounding."),
    ] = "auto",
    data_root: DataRoot = DATA_ROOT,
    run_dir: Annotated[
        Path | None, typer.Option(help="Folder that keeps the replay; default: a temporary one.")
    ] = None,
    device: DeviceName = "auto",
    jobs: Jobs = 1,
    imports: Imports = None,
    attester: Annotated[
        str | None,
        typer.Option(
            "--attest",
            metavar="NAME",
            help="If it passes, write a replication by NAME next to the record.",
        ),
    ] = None,
) -> None:
    """Run a record's spec again on this machine and compare. Exit code 1 if they differ."""
    with errors_as_exit_codes():
        recorded = read_record(record)
        _check_seeds(recorded, seed)
        _check_folder(record, recorded, run_dir)
        _check_imports(recorded, imports)
        if attester is not None:
            _check_attester(record, attester)
        replayed = _replay(recorded, seed, data_root, run_dir, device, jobs, imports)
    stack = stack_differences(recorded.provenance, replayed.provenance)
    if tolerance == "auto":
        tolerance = "rounding" if stack else "bits"
    found = compare_records(recorded, replayed, tolerance)
    _print(found)
    echo(f"stack: {'; '.join(stack) or 'the same'}")
    if recorded.provenance.versions != replayed.provenance.versions:
        echo(f"equal bits need the same packages: conebench show {record} --requirements")
    failed = sum(not difference.passes for difference in found)
    echo(_verdict(tolerance, failed, len(found)))
    if failed:
        raise typer.Exit(ExitCode.BAD_INPUT)
    if attester is not None:
        with errors_as_exit_codes():
            _write(record, attest(recorded, replayed, found, attester))


def _verdict(tolerance: ToleranceName, failed: int, count: int) -> str:
    if failed:
        return (
            f"not verified: {failed} of {count} quantities differ by more than {tolerance} allows"
        )
    if tolerance == "bits":
        return f"verified: all {count} quantities are identical, bit for bit"
    return f"verified: all {count} quantities agree within {tolerance}"


def _check_seeds(recorded: Record, seeds: list[int] | None) -> None:
    known = [found.seed for found in recorded.seeds]
    for seed in seeds or []:
        if seed not in known:
            raise InputError(
                f"--seed: got {seed}, expected the record's seeds: {', '.join(map(str, known))}"
            )


def _check_folder(record: Path, recorded: Record, run_dir: Path | None) -> None:
    if run_dir and (run_dir / recorded.spec.name).resolve() == record.resolve().parent:
        raise InputError(
            f"--run-dir: got {run_dir}, the folder of the record itself; choose another one"
        )


def _check_imports(recorded: Record, imports: list[str] | None) -> None:
    """Refuse a record of a user's own network, unless its modules are named here."""
    # Never imported because a record says so: its code would run.
    needed = [m.module for m in recorded.model.imported or () if m.module not in (imports or ())]
    if needed:
        package = recorded.spec.model.package
        install = f"install {package}" if package else "get its code"
        again = " ".join(f"--import {module}" for module in needed)
        raise InputError(
            f"the record's network is not timm's or conebench's; if you trust it, {install} and "
            f"add {again}"
        )


def _check_attester(record: Path, attester: str) -> None:
    check_name(attester)
    path = replication_path(record, attester)
    if path.exists():
        raise InputError(f"{path} already exists; nothing is overwritten")
    if not os.access(record.parent, os.W_OK):
        raise StorageError(f"{path}: cannot be written: no permission")


def _write(record: Path, replication: Replication) -> None:
    path = replication_path(record, replication.by)
    write_new(path, replication_text(replication).encode())
    echo(f"wrote {path}; now: conebench submit {path}")


def _replay(
    recorded: Record,
    seeds: list[int] | None,
    data_root: Path,
    run_dir: Path | None,
    device: Device,
    jobs: int,
    imports: list[str] | None,
) -> Record:
    quiet_torch_jit()
    # These import torch, which takes seconds.
    from conebench.runner import RunOptions
    from conebench.runner.replay import replay
    from conebench.runner.stages.device import choose_device

    chosen = choose_device(device)
    with ExitStack() as stack:
        folder = run_dir or Path(stack.enter_context(TemporaryDirectory(prefix="conebench-")))
        only = tuple(seeds) if seeds else None
        modules = tuple(imports or ())
        options = RunOptions(data_root, folder, chosen, only, jobs=jobs, imports=modules)
        stack.enter_context(redirect_stdout(sys.stderr))
        progress = stack.enter_context(open_progress(Terminal(stderr=True), recorded.spec.name))
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
    Terminal().print(table)
