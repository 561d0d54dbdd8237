"""Curves of a run that is not finished, from its metrics.jsonl."""

import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.live import Live
from rich.text import Text

from conebench.cli.sparkline import WIDTH, sparkline
from conebench.cli.terminal import Terminal, echo
from conebench.errors import RunError
from conebench.record import read_record
from conebench.storage.status import StageStatus, failures, is_lost, lost_seeds, stage_statuses
from conebench.storage.store import Store

METRICS = "metrics.jsonl"
SECONDS_BETWEEN_LOOKS = 1.0
# Columns of a stage's name, and of the shortest curve.
LABEL, SHORTEST = 36, 8
# What is drawn of a stage, in order of preference, and if its scale is logarithmic.
DRAWN = {"S": True, "test_accuracy": False}


def follow(run: Path, bars: str) -> None:
    """Draw a run until its record has all seeds. Raise a RunError if it fails."""
    began = time.time()
    console = Terminal()
    with Live(console=console, auto_refresh=False, transient=console.is_terminal) as live:
        while not _is_finished(run, began):
            if console.is_terminal:
                lines = drawn(run, bars, console.width, console.height)
                # A narrow terminal cuts lines.
                live.update(Text("\n".join(lines), no_wrap=True, overflow="crop"), refresh=True)
            time.sleep(SECONDS_BETWEEN_LOOKS)


def drawn(run: Path, bars: str, columns: int, rows: int) -> list[str]:
    """Return what is drawn of a run in a terminal: its newest curves, then its progress."""
    store = Store(run)
    start, statuses = store.start(), stage_statuses(store)
    done = sum(status.state == "done" for status in statuses)
    progress = f"{done} of {len(statuses)} stages done; Ctrl-C ends this view, not the run"
    newest = list(curves(run, bars, columns))[-max(1, rows - 2) :]
    return [*newest, progress if start is None else start.text]


def show_unfinished(run: Path, bars: str) -> None:
    """Draw the curves that a run has so far."""
    lines = list(curves(run, bars))
    start = Store(run).start()
    if start is not None:
        echo(f"{run}: {start.text}")
        return
    for line in lines:
        echo(line)
    echo(f"no record yet; conebench status {run} shows what is left")


def curves(run: Path, bars: str, columns: int | None = None) -> Iterator[str]:
    """Yield a line per stage: its curve, the last value and its step.

    Curves are shorter in a terminal of few columns.
    """
    stages = _rows(run / METRICS)
    longest = max((len(_label(*key)) for key in stages), default=0)
    padded = LABEL if columns is None else longest
    for (seed, stage), of_stage in stages.items():
        name = next(name for name in DRAWN if name in of_stage[max(of_stage)])
        values = [of_stage[step][name] for step in sorted(of_stage) if name in of_stage[step]]
        last = f"{values[-1]:.4g} at step {max(of_stage):,}"
        head = f"{_label(seed, stage):<{padded}} {name:<13} "
        room = WIDTH if columns is None else columns - len(head) - len(last) - 1
        width = min(WIDTH, max(SHORTEST, room))
        curve = sparkline(values, log=DRAWN[name], bars=bars, width=width)
        yield f"{head}{curve} {last}"


def _label(seed: int, stage: str) -> str:
    return f"seed {seed}: {stage}"


def _rows(path: Path) -> dict[tuple[int, str], dict[int, dict[str, Any]]]:
    """Return the rows of each stage by step; the last one of a step counts."""
    rows: dict[tuple[int, str], dict[int, dict[str, Any]]] = {}
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            # The last line, which is still being written.
            continue
        if _is_row(row):
            rows.setdefault((row["seed"], row["stage"]), {})[row["step"]] = row
    return rows


def _is_row(row: object) -> bool:
    """Return True for what a run writes; a line may be damaged."""
    if not isinstance(row, dict) or not isinstance(row.get("stage"), str):
        return False
    numbers = [row.get("seed"), row.get("step")]
    drawn = [row[name] for name in DRAWN if name in row]
    are_finite = (isinstance(value, int | float) and math.isfinite(value) for value in drawn)
    return all(isinstance(n, int) for n in numbers) and bool(drawn) and all(are_finite)


def is_under_way(run: Path) -> bool:
    """Return True if a run is about to start, or has stages left."""
    store = Store(run)
    start = store.start()
    return not start.failed if start is not None else _has_stages_left(stage_statuses(store))


def _is_finished(run: Path, began: float) -> bool:
    """Return True if the record of all seeds is there. Raise a RunError if there will be none."""
    store = Store(run)
    start, statuses = store.start(), stage_statuses(store)
    if start is not None and start.failed:
        raise RunError(f"{run}: {start.text}")
    if is_lost(statuses):
        raise RunError("\n".join(failures(statuses)))
    if not store.record_path.exists():
        return False
    if not statuses:
        # An older record is that of another run.
        return store.record_path.stat().st_mtime >= began
    # The last job writes its record after its last stage.
    return not _has_stages_left(statuses) and not _missing_seeds(store, statuses)


def _has_stages_left(statuses: Sequence[StageStatus]) -> bool:
    return any(status.state in ("begun", "stale", "to do") for status in statuses)


def _missing_seeds(store: Store, statuses: Sequence[StageStatus]) -> set[int]:
    """Return the seeds that have results, but not in the record."""
    planned = {status.planned.seed for status in statuses}
    return planned - lost_seeds(statuses) - {s.seed for s in read_record(store.record_path).seeds}
