"""Show a run on the terminal: its progress, and the closing table."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from conebench.analysis.strength import Summary
from conebench.cli.terminal import Terminal
from conebench.interrupts import stop_if_interrupted
from conebench.record import Record
from conebench.record.quantities import (
    BOARD,
    QUANTITIES,
    STRENGTH,
    interval_or_reason,
    strength_interval,
)
from conebench.spec.loading import SMOKE_SUFFIX
from conebench.text import of_one

if TYPE_CHECKING:
    # Importing the runner imports torch, which takes seconds.
    from conebench.runner import Progress as RunProgress
    from conebench.runner.stages.progress import Row


SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def _open_display(console: Console, name: str) -> "Iterator[RunProgress]":
    """Yield the display of one run: a bar on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        yield LineProgress(console, name)
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("elapsed,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console,
        transient=True,
    )
    with bar:
        yield BarProgress(bar, name)


@contextmanager
def open_progress(console: Console, name: str, head: str = "") -> "Iterator[RunProgress]":
    """Yield the display of one run; `head` stands before its first stage."""
    with _open_display(console, name) as progress:
        yield HeadedProgress(progress, console, head) if head else progress


class HeadedProgress:
    """Progress with lines before the first stage, so after the checks of spec and data."""

    def __init__(self, progress: "RunProgress", console: Console, head: str) -> None:
        self._progress, self._console, self._head = progress, console, head
        self.plan, self.advance = progress.plan, progress.advance
        self.metrics = progress.metrics

    def stage(self, name: str, *, cached: bool = False, note: str = "") -> None:
        if self._head:
            self._console.print(Text(self._head), soft_wrap=True)
            self._head = ""
        self._progress.stage(name, cached=cached, note=note)


class BarProgress:
    """Progress as one bar."""

    def __init__(self, bar: Progress, name: str) -> None:
        self._bar, self._name = bar, name
        self._task: TaskID = bar.add_task(f"{name}: reading", total=None)

    def plan(self, work: float) -> None:
        self._bar.update(self._task, total=work)

    def stage(self, name: str, *, cached: bool = False, note: str = "") -> None:
        stop_if_interrupted()
        # The bar is overwritten, so a line of its own says why a stage runs again.
        if note:
            self._bar.console.print(
                Text(f"{self._name}: {name}{_found(cached, note)}"), soft_wrap=True
            )
        self._bar.update(self._task, description=f"{self._name}: {name}{_found(cached, '')}")

    def advance(self, work: float) -> None:
        stop_if_interrupted()
        self._bar.advance(self._task, work)

    def metrics(self, row: "Row") -> None:
        """Show nothing: metrics.jsonl has it."""


class LineProgress:
    """Progress as plain lines: one per stage, and at most two per minute in between."""

    def __init__(self, console: Console, name: str) -> None:
        self._console, self._name = console, name
        self._began = self._last_line = time.monotonic()
        # What comes before the plan is at 0 %.
        self._done, self._total = 0.0, math.inf
        self._stage = ""

    def plan(self, work: float) -> None:
        self._total = work

    def stage(self, name: str, *, cached: bool = False, note: str = "") -> None:
        stop_if_interrupted()
        self._stage = name
        self._line(f"{name}{_found(cached, note)}")

    def advance(self, work: float) -> None:
        stop_if_interrupted()
        self._done += work
        if time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
            self._line(self._stage)

    def metrics(self, row: "Row") -> None:
        """Show nothing: metrics.jsonl has it."""

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        elapsed = self._last_line - self._began
        share = min(1.0, self._done / self._total) if self._total else 1.0
        left = ""
        if self._done:
            seconds = max(0.0, self._total - self._done) * elapsed / self._done
            left = f", {duration(seconds)} left"
        self._console.print(
            f"{self._name}: {share:4.0%} {duration(elapsed)}{left}: {text}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _found(cached: bool, note: str) -> str:
    text = "done before" if cached else note
    # No parentheses: names of arms end in some, as in switched(4).
    return f", {text}" if text else ""


def duration(seconds: float) -> str:
    """Return hours, minutes and seconds, as 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


# Some terminals cannot print Greek letters.
GREEK = str.maketrans({"α": "alpha", "Γ": "Gamma"})


def print_summary(record: Record, path: Path) -> None:
    """Print the closing table of a run on stdout."""
    console = Terminal(soft_wrap=True)
    console.print(f"{record.spec.title} ({record.spec.name})")
    if record.spec.name.endswith(SMOKE_SUFFIX):
        works = "" if record.failures else "the spec works; "
        console.print(f"{works}a smoke run measures too few kernels for figures")
    else:
        print_figures(console, record)
    console.print(f"record: {path}")


def print_figures(console: Console, record: Record) -> None:
    """Print the figures with intervals, what is undefined, and doubts."""
    summary = record.figures
    table = Table(box=None)
    table.add_column("figure")
    table.add_column("mean over seeds", justify="right")
    table.add_column("95 % interval", justify="right")
    for quantity in BOARD:
        estimate = getattr(summary, quantity.field)
        interval = "" if estimate is None else interval_or_reason(quantity.number, estimate)
        if quantity is STRENGTH:
            interval = strength_interval(estimate, summary.contributions) or interval
        cells = (quantity.symbol, quantity.value(estimate), interval)
        table.add_row(*(cell.translate(GREEK) for cell in cells))
    console.print(table)
    w = "none" if summary.w is None else f"{summary.w:,}"
    console.print(f"{record.view} view, late window from w = {w}; {_outcomes(summary)}")
    # The detail of most verdicts begins with them.
    told = summary.detail.startswith(summary.verdict)
    console.print(of_one(summary.detail if told else f"{summary.verdict}: {summary.detail}"))
    for line in _divergences(record):
        console.print(line)
    # The verdict is about CES.
    reasons = {name: why for name, why in summary.undefined.items() if name != "CES"}
    for why in dict.fromkeys(reasons.values()):
        names = (q.symbol.translate(GREEK) for q in QUANTITIES if reasons.get(q.field) == why)
        console.print(of_one(f"undefined: {', '.join(names)}: {why}"))
    doubtful = sum(seed.phases.estimators_disagree for seed in record.seeds)
    if doubtful:
        console.print(
            of_one(
                "the two estimators of T* differ by more than a factor of 2 in "
                f"{doubtful} of {len(record.seeds)} seeds"
            )
        )
    if record.status == "partial":
        console.print(
            f"partial: {len(record.seeds)} of {len(record.spec.seeds)} seeds, so not ranked"
        )


def _divergences(record: Record) -> Iterator[str]:
    """Say which arms diverged, and at which steps."""
    found: dict[str, list[int]] = {}
    for seed in record.seeds:
        for arm in seed.arms:
            if arm.diverged_at is not None:
                label = arm.arm if arm.step in (None, 0) else f"{arm.arm}({arm.step})"
                name = "ordinary training" if arm.arm == "full" else label
                found.setdefault(name, []).append(arm.diverged_at)
    for name, steps in found.items():
        at = ", ".join(f"{step:,}" for step in steps)
        counted = of_one(f"in {len(steps)} of {len(record.seeds)} seeds")
        yield f"{name} diverged {counted}, at step {at}; try a smaller learning rate"


def _outcomes(summary: Summary) -> str:
    counts = summary.outcomes.items()
    return ", ".join(f"{outcome} in {n} seed{'' if n == 1 else 's'}" for outcome, n in counts)
