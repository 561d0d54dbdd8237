"""`conebench show RECORD` and `conebench show SPEC --resolved`."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from conebench.analysis.distance import distances, lagged_distances
from conebench.cli.display import print_figures
from conebench.cli.exits import errors_as_exit_codes
from conebench.cli.options import SpecNames
from conebench.cli.sparkline import bars_for, sparkline
from conebench.cli.terminal import Terminal, echo
from conebench.cli.unfinished import METRICS, follow, is_under_way, show_unfinished
from conebench.errors import InputError, RecordError
from conebench.record import Record, SeedResult, read_record, recompute
from conebench.record.quantities import degrees, optional, two_decimals
from conebench.record.seed_means import arm_cells
from conebench.spec import load_all, shipped_spec, spec_text
from conebench.spec.yaml_text import yaml_text
from conebench.storage.status import find_runs


def show(
    file: Annotated[
        Path,
        typer.Argument(
            help="A record, the folder of a run, a spec file (.yaml), or a shipped spec's name."
        ),
    ],
    names: SpecNames = None,
    resolved: Annotated[
        bool,
        typer.Option(
            "--resolved", help="Print specs with their defaults, as they are hashed and stored."
        ),
    ] = False,
    requirements: Annotated[
        bool,
        typer.Option(
            "--requirements", help="Print the packages that a record was made with, for pip."
        ),
    ] = False,
    following: Annotated[
        bool,
        typer.Option("--follow", help="Draw the folder of a run until its record has all seeds."),
    ] = False,
) -> None:
    """Print a record as text, or the specs of a file as YAML.

    Show a record with recomputed figures, sparklines of its curves, and its arms.

    Show the curves so far of a run that has no record yet.

    Show a spec file with `extends`, `matrix` and `grid` applied.
    """
    with errors_as_exit_codes():
        if file.suffix in (".yaml", ".yml") or shipped_spec(file):
            if requirements:
                raise InputError(f"{file}: --requirements is for records only")
            if following:
                raise InputError(f"{file}: --follow is for the folder of a run only")
            _show_specs(file, names or [], resolved=resolved)
        elif names or resolved:
            raise InputError(f"{file}: --name and --resolved are for .yaml files only")
        elif following and file.is_file():
            raise InputError(f"{file}: --follow is for the folder of a run only")
        elif following or file.is_dir():
            runs = [_run_to_follow(file)] if following else _runs(file)
            _show_runs(runs, requirements=requirements, following=following)
        else:
            _show_file(file, requirements=requirements)


def _runs(folder: Path) -> list[Path]:
    """Return the folder if it is that of a run, else those of the runs in it."""
    if any((folder / name).exists() for name in ("record.json", METRICS)):
        return [folder]
    try:
        return [store.folder for store in find_runs(folder)]
    except InputError:
        # It imports the packages that draw the site, which --help does without.
        from conebench.site.files.find import find_records

        records = [file for file in find_records([folder]) if not file.problem]
        if not records:
            raise
        raise InputError(
            f"{folder}: holds no run, but records; choose one, such as {records[0].path}"
        ) from None


def _run_to_follow(folder: Path) -> Path:
    """Return the folder if it is that of a run, else that of the one run under way in it."""
    runs = _runs(folder)
    if runs == [folder]:
        return folder
    found = [run for run in runs if is_under_way(run)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(map(str, found or runs))
    raise InputError(
        f"{folder}: got {len(found) or 'no'} unfinished runs, expected one: choose among {names}"
    )


def _show_runs(runs: Sequence[Path], *, requirements: bool, following: bool) -> None:
    for i, run in enumerate(runs):
        if i:
            echo("")
        _show_run(run, requirements=requirements, following=following)


def _show_run(run: Path, *, requirements: bool, following: bool) -> None:
    bars = bars_for(sys.stdout.encoding)
    if following:
        follow(run, bars)
    record = run / "record.json"
    if record.exists() or requirements:
        _show_file(record, requirements=requirements)
    else:
        show_unfinished(run, bars)


def _show_file(record: Path, *, requirements: bool) -> None:
    show_record = _show_requirements if requirements else _show_record
    show_record(record)


def _show_specs(file: Path, names: Sequence[str], *, resolved: bool) -> None:
    for i, found in enumerate(load_all([file], names)):
        text = spec_text(found.spec) if resolved else yaml_text(found.written.data)
        separator = "---\n" if i else ""
        echo(f"{separator}# hash {found.spec.hash}\n{text}", nl=False)


def _show_requirements(record: Path) -> None:
    stored = read_record(record)
    made = stored.provenance
    packages = dict(made.versions)
    python, conebench = packages.pop("python", "?"), packages.pop("conebench", "?")
    cuda = packages.pop("cuda", None)
    device = f"{made.device_name}, CUDA {cuda}" if cuda else made.device_name
    echo(f"# Record {stored.id}: Python {python}, {made.platform}, {device}")
    echo(f"# {made.cpu_threads} thread(s): OMP_NUM_THREADS={made.cpu_threads}")
    commit = f" of commit {made.git_commit}: git switch --detach {made.git_commit}"
    echo(f"# conebench {conebench}{commit if made.git_commit else ''}")
    if any("+" in version for version in packages.values()):
        # Builds such as 2.13.0+cpu are not on PyPI.
        kind = packages["torch"].partition("+")[2]
        echo(f"--extra-index-url https://download.pytorch.org/whl/{kind}")
    for package, version in sorted(packages.items()):
        echo(f"{package}=={version}")


def _show_record(record: Path) -> None:
    stored = read_record(record)
    try:
        recomputed = recompute(stored)
    except RecordError as error:
        raise RecordError(f"{record}: {error}") from None
    _print_record(recomputed, stored.id)


def _print_record(record: Record, record_id: str) -> None:
    console = Terminal(soft_wrap=True)
    made, data = record.provenance, record.data
    console.print(f"{record.spec.title} ({record.spec.name}), record {record_id}")
    console.print(
        f"{record.spec.model.name}, {record.model.parameters:,} parameters, on {data.name}; "
        f"{record.spec.total_steps:,} steps; made {made.created_at[:10]} on {made.device_name}"
    )
    for line in _imported_lines(record):
        console.print(line)
    print_figures(console, record)
    for seed in record.seeds:
        console.print()
        for line in _seed_lines(record, seed, bars_for(sys.stdout.encoding)):
            console.print(line)
    console.print()
    console.print(_arms_table(record))


def _imported_lines(record: Record) -> Iterator[str]:
    for found in record.model.imported or ():
        rank = ": it has no rank" if found.module in record.own_modules else ""
        yield f"imported {found.module}, {found.package or 'not published'}{rank}"
    yield ""


def _seed_lines(record: Record, seed: SeedResult, bars: str) -> Iterator[str]:
    phases, window = seed.phases, seed.window
    full = next((arm for arm in seed.arms if arm.arm == "full"), None)
    if full is not None and full.status == "diverged":
        yield f"seed {seed.seed}: ordinary training diverged at step {full.diverged_at:,}"
        return
    T_star = "" if phases.T_star is None else f", T* {phases.T_star:,}"
    change = "" if phases.change_point is None else f" (change-point {phases.change_point:,})"
    fitted = "" if seed.T_fit is None else f", T_fit {seed.T_fit:,}"
    yield f"seed {seed.seed}: {seed.outcome}{T_star}{change}{fitted}"
    if window.reason:
        yield f"  late window: {window.reason}"
    if window.start is not None:
        yield (
            f"  turn {optional(degrees, window.turn_deg)}, cone angle "
            f"{optional(degrees, window.cone_deg)}, N {optional(two_decimals, window.N)}, alpha "
            f"{optional(two_decimals, window.alpha)}, VR {optional(two_decimals, window.VR)}"
        )
    every = record.spec.kernel.checkpoints.every
    steps, G = seed.kernel.primary.uniform(every)
    # Norms and accuracies of the same checkpoints.
    norms = dict(zip(seed.kernel.steps, seed.kernel.primary.norm, strict=True))
    accuracies = dict(zip(seed.training.steps, seed.training.test_accuracy, strict=True))
    yield _curve_line(f"S(t, t+{every})", lagged_distances(G, 1).tolist(), bars, log=True)
    yield _curve_line("S(0, t)", distances(G)[0].tolist(), bars)
    yield _curve_line("norm of H", [norms[step] for step in steps.tolist()], bars, log=True)
    yield _curve_line("A(full)", [accuracies[t] for t in steps.tolist() if t in accuracies], bars)


def _curve_line(name: str, values: Sequence[float], bars: str, *, log: bool = False) -> str:
    scale = ", log" if log else ""
    line = sparkline(values, log=log, bars=bars)
    reach = f"{min(values):.3g} to {max(values):.3g}{scale}" if values else "none"
    return f"  {name:<12} {line}  {reach}"


def _arms_table(record: Record) -> Table:
    table = Table(box=None)
    rows = arm_cells(record)
    for name in rows[0] if rows else ():
        table.add_column(name, justify="left" if name == "Arm" else "right")
    for row in rows:
        table.add_row(*row.values())
    return table
