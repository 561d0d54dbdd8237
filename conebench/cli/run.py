"""`conebench run SPEC...`."""

import json
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from conebench.analysis.bootstrap import Estimate
from conebench.cli.display import open_progress, print_summary
from conebench.cli.exits import errors_as_exit_codes, show_error
from conebench.errors import ConebenchError, ExitCode, InputError, SpecError
from conebench.record import Record
from conebench.spec import Spec, find_specs, load_spec


def run(
    specs: Annotated[list[Path], typer.Argument(help="Spec files, or folders of them.")],
    seed: Annotated[
        list[int] | None, typer.Option(help="Only this seed of the spec; may be repeated.")
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(help="Folder of datasets; default: CONEBENCH_DATA, else the user's cache."),
    ] = None,
    run_dir: Annotated[
        Path, typer.Option(help="Folder that runs are kept in, one sub-folder a spec.")
    ] = Path("runs"),
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="On stdout, exactly one JSON object a spec.")
    ] = False,
) -> None:
    """Run specs: train, measure the kernels, compare the arms, write a record.

    A run takes up where an earlier one in the same folder stopped.
    """
    with errors_as_exit_codes():
        files = find_specs(specs)
        loaded = [(file, load_spec(file)) for file in files]
        for file, spec in loaded:
            _check_seeds(file, spec, seed)
        options = _options(device, data_root, run_dir, seed)
    codes = [_run_one(file, spec, options, as_json) for file, spec in loaded]
    if any(codes):
        raise typer.Exit(max(codes))


def _check_seeds(file: Path, spec: Spec, seeds: list[int] | None) -> None:
    for seed in seeds or []:
        if seed not in spec.seeds:
            allowed = ", ".join(map(str, spec.seeds))
            raise SpecError(f"{file}: --seed: came {seed}, allowed are the spec's seeds: {allowed}")


def _options(device: str, data_root: Path | None, run_dir: Path, seeds: list[int] | None) -> Any:
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device: came {device!r}, allowed are auto, cpu, cuda")
    # torch itself still calls torch.jit, and says so at the first forward-mode derivative.
    warnings.filterwarnings("ignore", message=".*torch.jit", category=FutureWarning)
    warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
    # These import torch, so only a run pays for it.
    from conebench.image_sources import default_data_root
    from conebench.runner import RunOptions
    from conebench.runner.device import choose_device

    chosen = choose_device(device)  # type: ignore[arg-type]  # checked above
    root = data_root or default_data_root()
    return RunOptions(root, run_dir, chosen, tuple(seeds) if seeds else None)


def _run_one(file: Path, spec: Spec, options: Any, as_json: bool) -> int:
    from conebench.runner import run_spec

    console = Console(stderr=True)
    try:
        with open_progress(console, spec.name) as progress:
            record, path = run_spec(spec, options, progress)
    except KeyboardInterrupt:
        console.print(f"{spec.name}: interrupted; the same command continues where it was")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except ConebenchError as error:
        if isinstance(error, SpecError):
            error = SpecError(f"{file}: {error}")
        show_error(error)
        if as_json:
            typer.echo(json.dumps({"spec": spec.name, "status": "failed", "error": str(error)}))
        return error.exit_code
    if as_json:
        typer.echo(json.dumps(_json_line(record, path)))
    else:
        print_summary(record, path)
    return ExitCode.OK


def _json_line(record: Record, path: Path) -> dict[str, Any]:
    summary = {
        name: vars(value) if isinstance(value, Estimate) else value
        for name, value in vars(record.summary).items()
    }
    return {
        "spec": record.spec.name,
        "status": record.status,
        "record": str(path),
        "summary": summary,
    }
