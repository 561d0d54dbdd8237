"""`conebench status RUN_DIR`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from conebench.cli.display import duration
from conebench.cli.exits import errors_as_exit_codes
from conebench.cli.terminal import Terminal, echo
from conebench.storage.status import (
    StageStatus,
    failures,
    find_runs,
    seconds_left,
    stage_statuses,
)
from conebench.storage.store import Start


def status(
    run_dir: Annotated[
        Path, typer.Argument(help="Folder of one run, or of several (--run-dir).")
    ] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per run.")] = False,
) -> None:
    """Show the stages of runs, their progress, and the time left."""
    with errors_as_exit_codes():
        runs = [(store, stage_statuses(store)) for store in find_runs(run_dir)]
    for store, statuses in runs:
        start = store.start()
        if as_json:
            echo(json.dumps(_as_json(store.folder, statuses, start)))
        elif start is not None:
            echo(f"{store.folder}: {start.text}")
        else:
            _print(store.folder, statuses)


def _as_json(folder: Path, statuses: list[StageStatus], start: Start | None) -> dict[str, Any]:
    stages = [
        {
            "stage": status.planned.label,
            "state": status.state,
            "share": status.share,
            "saved": status.saved,
            "wall_seconds": status.seconds,
            "why": status.why,
        }
        for status in statuses
    ]
    return {
        "run": str(folder),
        "start": start and start.text,
        "seconds_left": seconds_left(statuses),
        "stages": stages,
    }


def _print(folder: Path, statuses: list[StageStatus]) -> None:
    console = Terminal()
    table = Table(title=Text(str(folder)), title_justify="left", box=None)
    table.add_column("stage")
    table.add_column("state")
    table.add_column("time", justify="right")
    table.add_column("")
    for status in statuses:
        share = f" {_share(status)}" if status.state == "begun" else ""
        took = "" if status.seconds is None else duration(status.seconds)
        row = (status.planned.label, f"{status.state}{share}", took, status.why)
        table.add_row(*map(Text, row))
    console.print(table)
    done = sum(status.state == "done" for status in statuses)
    left = seconds_left(statuses)
    time = "time left unknown" if left is None else f"about {duration(left)} of work left"
    console.print(f"{done} of {len(statuses)} stages done, {time}", highlight=False)
    reasons = failures(statuses)
    if reasons:
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        # Whole, for a narrow terminal cuts the table.
        echo(f"failed: {reasons[0]}{more}; the same command tries again")


def _share(status: StageStatus) -> str:
    saved = f", saved {status.saved:.0%}" if status.saved < status.share else ""
    return f"{status.share:.0%}{saved}"
