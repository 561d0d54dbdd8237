"""`conebench run SPEC...`."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from conebench.cli.display import open_progress, print_summary
from conebench.cli.exits import errors_as_exit_codes, show_error
from conebench.cli.options import (
    DATA_ROOT,
    CudaGraphs,
    DataRoot,
    Device,
    DeviceName,
    Executor,
    Imports,
    Jobs,
    KernelMemory,
    Loggers,
    RunFolder,
    SaveEvery,
    Settings,
    SlurmArguments,
    Smoke,
    SpecFiles,
    SpecNames,
    kernel_bytes,
    quiet_torch_jit,
)
from conebench.cli.terminal import Terminal, echo
from conebench.errors import (
    ConebenchError,
    ExitCode,
    InputError,
    RunError,
    SpecError,
    StorageError,
)
from conebench.interrupts import (
    Terminated,
    second_interrupt_ends_at_once,
    stop_if_terminated,
    stopping_if_interrupted,
    stored_at_signals,
)
from conebench.record import Record
from conebench.spec import LoadedSpec, Spec, find_specs, load_all, smoke_spec
from conebench.storage.status import noted_start
from conebench.storage.store import Start, Store

if TYPE_CHECKING:
    # Importing the runner imports torch, which only a run may pay for.
    from conebench.runner import RunOptions

# What a stopped run says.
STOPPED = {
    ExitCode.INTERRUPTED: "interrupted; run the same command to continue",
    ExitCode.TERMINATED: "stored; the same command continues",
}
STARTED = "started; it reads the data and checks the network"


def run(
    specs: SpecFiles,
    names: SpecNames = None,
    settings: Settings = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Only this seed of the spec; repeatable.")
    ] = None,
    data_root: DataRoot = DATA_ROOT,
    run_dir: RunFolder = None,
    smoke: Smoke = False,
    device: DeviceName = "auto",
    cuda_graphs: CudaGraphs = False,
    kernel_memory: KernelMemory = None,
    jobs: Jobs = 1,
    executor: Executor = "local",
    slurm_args: SlurmArguments = None,
    save_every: SaveEvery = 60.0,
    loggers: Loggers = None,
    imports: Imports = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object per spec, and nothing else, on stdout."),
    ] = False,
) -> None:
    """Run specs: train, measure the kernels, compare the arms, write a record.

    An interrupted run continues from its last saved state. SIGTERM stores the state first.
    """
    with ExitStack() as at_end:
        with errors_as_exit_codes():
            files = find_specs(specs)
            try:
                loaded = load_all(files, names or (), settings or ())
                if smoke:
                    loaded = [replace(f, spec=shortened(f.spec, data_root)) for f in loaded]
                folder = run_dir or default_folder(smoke=smoke, changed=bool(settings))
                if executor == "local":
                    at_end.enter_context(_told_if_terminated(loaded[0], as_json))
                    at_end.enter_context(noted_start(_stores(loaded, folder), STARTED))
                _check(loaded, seed, imports or [], executor, slurm_args)
                # A job chooses its device itself.
                here = device if executor == "local" else "cpu"
                options = _options(here, data_root, folder, seed, kernel_memory, jobs, save_every)
                logs, modules = tuple(loggers or ()), tuple(imports or ())
                options = replace(options, loggers=logs, imports=modules, cuda_graphs=cuda_graphs)
                if executor != "local":
                    _submit(loaded, options, device, executor, slurm_args or [], as_json)
            except ConebenchError as error:
                _tell_not_run(files, error, as_json)
                raise
        if executor == "local":
            _run_here(loaded, options, as_json)


@contextmanager
def _told_if_terminated(first: LoadedSpec, as_json: bool) -> Iterator[None]:
    """Say that the run is stored at SIGTERM, which may also come while it starts."""
    with stored_at_signals(signal.SIGTERM):
        try:
            yield
        except Terminated:
            raise typer.Exit(_tell_stopped(first, ExitCode.TERMINATED, as_json)) from None


def default_folder(*, smoke: bool, changed: bool) -> Path:
    """Return the folder of runs, where no other is given."""
    # The board is built from runs by default, so what is not for the board is kept apart.
    return Path("runs-smoke" if smoke else "runs-set" if changed else "runs")


def _tell_not_run(files: list[Path], error: ConebenchError, as_json: bool) -> None:
    if not as_json:
        return
    lines = str(error).split("\n")
    own = {file: [line for line in lines if line.startswith(f"{file}:")] for file in files}
    named = {line for found in own.values() for line in found}
    # A line that names no file of the command may be about each: an option, or an extended file.
    shared = [line for line in lines if line not in named]
    for file in files:
        text = "\n".join([*own[file], *shared]) or "another spec is not valid"
        _echo_json(file.stem, "not run", error=text)


def shortened(spec: Spec, data_root: Path) -> Spec:
    """Shorten a spec to a smoke run, with no more images than its folder has."""
    facts = None
    if spec.dataset.facts.classes is None:
        # It imports torch, which takes seconds.
        from conebench.data.sources import source_facts

        # The run reports what is wrong with a folder.
        with suppress(ConebenchError):
            facts = source_facts(spec.dataset, data_root)
    return smoke_spec(spec, facts)


def _check(
    loaded: list[LoadedSpec],
    seeds: list[int] | None,
    imports: list[str],
    executor: str,
    slurm_args: list[str] | None,
) -> None:
    """Check seeds and names of models, before torch is imported where that is possible."""
    if executor == "local" and slurm_args:
        raise InputError("--slurm-args: expected --executor slurm with it")
    _check_seeds(loaded, seeds)
    _check_models(loaded, imports)


def _check_models(loaded: list[LoadedSpec], imports: list[str]) -> None:
    from conebench.networks.imported import import_modules
    from conebench.networks.timm_models import check_name

    import_modules(imports)
    for found in loaded:
        try:
            check_name(found.spec.model.name)
        except SpecError as error:
            raise found.located(error) from None


def _check_seeds(loaded: list[LoadedSpec], seeds: list[int] | None) -> None:
    for found in loaded:
        for seed in seeds or []:
            if seed not in found.spec.seeds:
                allowed = ", ".join(map(str, found.spec.seeds))
                raise SpecError(
                    f"{found.file}: --seed: got {seed}, expected the spec's seeds: {allowed}"
                )


def _options(
    device: Device,
    data_root: Path,
    run_dir: Path,
    seeds: list[int] | None,
    kernel_memory: float | None,
    jobs: int,
    save_every: float,
) -> "RunOptions":
    memory = kernel_bytes(kernel_memory)
    quiet_torch_jit()
    # These import torch, which takes seconds.
    from conebench.runner import RunOptions
    from conebench.runner.stages.device import choose_device

    chosen = choose_device(device)
    only = tuple(seeds) if seeds else None
    return RunOptions(data_root, run_dir, chosen, only, memory, jobs, save_every)


def _submit(
    loaded: list[LoadedSpec],
    options: "RunOptions",
    device: Device,
    executor: str,
    slurm_args: list[str],
    as_json: bool,
) -> None:
    """Submit one job per spec and seed, and print their ids."""
    from conebench.runner.executors.slurm import parse_arguments, submit

    cluster: Literal["slurm", "local"] = "slurm" if executor == "slurm" else "local"
    logs = options.run_dir / ".slurm"
    chosen = [(found, seed) for found in loaded for seed in options.seeds or found.spec.seeds]
    runs = [
        partial(_run_in_job, found, replace(options, seeds=(seed,)), device)
        for found, seed in chosen
    ]
    stores = _stores(loaded, options.run_dir)
    submitted = Start(f"submitted, not started yet; output of the jobs: {logs}")
    # First, since a job may end at once and note why.
    for store in stores:
        _note(store, submitted)
    try:
        jobs = submit(runs, logs, cluster, parse_arguments(slurm_args))
    except ConebenchError:
        for store in stores:
            store.forget_start()
        raise
    for (found, seed), job in zip(chosen, jobs, strict=True):
        name = found.spec.name
        if as_json:
            _echo_json(name, "submitted", seed=seed, job=job.job_id)
        else:
            echo(f"{name} seed {seed}: job {job.job_id}")
    _print_line(f"follow: conebench status {options.run_dir}; output of the jobs: {logs}")


def _stores(loaded: list[LoadedSpec], run_dir: Path) -> list[Store]:
    return [Store(run_dir / found.spec.name) for found in loaded]


def _note(store: Store, start: Start) -> None:
    # The run itself says what is wrong with its folder.
    with suppress(StorageError):
        store.note_start(start)


def _run_in_job(found: LoadedSpec, options: "RunOptions", device: Device) -> int:
    """Run a spec on the device that is there. Return the exit code."""
    from conebench.runner.stages.device import choose_device

    quiet_torch_jit()
    try:
        options = replace(options, device=choose_device(device))
    except ConebenchError as error:
        return _tell_error(found, error, options.run_dir, as_json=False)
    return _run_one(found, options, as_json=False)


def _run_here(loaded: list[LoadedSpec], options: "RunOptions", as_json: bool) -> None:
    """Run specs one after the other, until one is stopped."""
    codes: list[int] = []
    shown: set[str] = set()
    show_cursor = Terminal(stderr=True).show_cursor
    with second_interrupt_ends_at_once(show_cursor):
        for found in loaded:
            codes.append(_run_one(found, options, as_json, shown))
            if codes[-1] in STOPPED:
                break
    if any(codes):
        raise typer.Exit(max(codes))


def _run_one(
    found: LoadedSpec, options: "RunOptions", as_json: bool, shown: set[str] | None = None
) -> int:
    from conebench.runner import run_spec
    from conebench.runner.stages.device import device_line

    spec = found.spec
    console = Terminal(stderr=True)
    head = f"{spec.name}: {device_line(options.device)}"
    if not as_json:
        head += f"\n{spec.name}: follow: conebench show {options.run_dir / spec.name} --follow"
    try:
        stop_if_terminated()
        # stdout is for results; a library may print too.
        with (
            redirect_stdout(sys.stderr),
            open_progress(console, spec.name, head) as progress,
            stopping_if_interrupted(),
        ):
            record, path = run_spec(spec, options, progress)
    except Terminated:
        return _tell_stopped(found, ExitCode.TERMINATED, as_json)
    except KeyboardInterrupt:
        return _tell_stopped(found, ExitCode.INTERRUPTED, as_json)
    except ConebenchError as error:
        return _tell_error(found, error, options.run_dir, as_json, shown)
    return _tell_record(record, path, as_json)


def _tell_stopped(found: LoadedSpec, code: ExitCode, as_json: bool) -> int:
    _print_line(f"{found.spec.name}: {STOPPED[code]}")
    if as_json:
        _echo_json(found.spec.name, "interrupted", error=STOPPED[code])
    return code


def _tell_error(
    found: LoadedSpec,
    error: ConebenchError,
    run_dir: Path,
    as_json: bool,
    shown: set[str] | None = None,
) -> int:
    if isinstance(error, SpecError):
        error = found.located(error)
    show_error(error, shown)
    name, folder, lines = found.spec.name, run_dir / found.spec.name, str(error).split("\n")
    _note(Store(folder), Start(f"failed before its first stage: {lines[0]}", failed=True))
    if as_json:
        _echo_json(name, "failed", error=str(error))
    elif isinstance(error, RunError):
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        echo(f"{name}: failed: {lines[0]}{more}; see conebench status {folder}")
    return error.exit_code


def _tell_record(record: Record, path: Path, as_json: bool) -> int:
    failures = [failure.reason for failure in record.failures or []]
    if as_json:
        more = {"error": "\n".join(failures)} if failures else {}
        _echo_json(
            record.spec.name,
            record.status,
            record=str(path),
            summary=asdict(record.figures),
            **more,
        )
    else:
        print_summary(record, path)
    for reason in failures:
        _print_line(reason)
    return ExitCode.RUN_FAILED if failures else ExitCode.OK


def _print_line(text: str) -> None:
    echo(text, err=True)


def _echo_json(spec: str, status: str, **more: Any) -> None:
    echo(json.dumps({"spec": spec, "status": status, **more}))
