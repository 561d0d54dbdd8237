"""The switch curve: test accuracy at T against the switch step s."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conebench.analysis.intervals import Estimate, mean_estimate
from conebench.record import Record
from conebench.record.quantities import UNDEFINED, percent, whole
from conebench.site.charts.drawing import Drawing, Rule, Scale, Series, draw, horizontal, vertical
from conebench.site.charts.table import Table

CURVES = {"switched": "c0", "control": "c1", "probe": "c2"}
LEVELS = {"full": "level-full", "lazy": "level-lazy"}
LOG_RANGE = 20


@dataclass(frozen=True)
class ArmMean:
    """One arm over the seeds that finished it; `estimate` is None where none did."""

    arm: str
    step: int
    estimate: Estimate | None
    started: int

    @property
    def finished(self) -> int:
        """How many seeds finished."""
        return self.estimate.seeds if self.estimate else 0


def arm_means(record: Record) -> list[ArmMean]:
    """Every arm and step of a record with its test accuracy over seeds."""
    runs: dict[tuple[str, int], list[float | None]] = {}
    for seed in record.seeds:
        for run in seed.arms:
            runs.setdefault((run.arm, run.step or 0), []).append(run.test_accuracy)
    order = [*LEVELS, *CURVES]
    means = []
    for (arm, step), accuracies in sorted(runs.items(), key=lambda r: (order.index(r[0][0]), r[0])):
        known = [A for A in accuracies if A is not None]
        estimate = mean_estimate(np.array(known), (0.0, 1.0)) if known else None
        means.append(ArmMean(arm, step, estimate, len(accuracies)))
    return means


def draw_switch_curve(record: Record, boundaries: Sequence[Rule]) -> Drawing:
    """A line a kind of arm through the steps that every seed finished, dots for the others."""
    means = [mean for mean in arm_means(record) if mean.estimate]
    curves = [mean for mean in means if mean.arm in CURVES]
    levels = [
        Rule(mean.arm, LEVELS[mean.arm], 100 * mean.estimate.value)
        for mean in means
        if mean.arm in LEVELS and mean.estimate
    ]
    series = [s for arm, style in CURVES.items() for s in _series(arm, style, curves, record)]
    heights = [y for s in series for _, low, high in s.intervals for y in (low, high)]
    heights += [point[1] for s in series for point in s.points if point]
    steps = [*(mean.step for mean in curves), *(rule.at for rule in boundaries)]
    return draw(
        step_scale(steps),
        vertical([*heights, *(level.at for level in levels)]),
        ("switch step s", "test accuracy at T, %"),
        series,
        upright=boundaries,
        level=levels,
    )


def step_scale(steps: Sequence[float]) -> Scale:
    """A scale of steps, logarithmic where they span much and none is 0."""
    wide = bool(steps) and min(steps) > 0 and max(steps) >= LOG_RANGE * min(steps)
    return horizontal(steps, log=wide)


def _series(arm: str, style: str, means: Sequence[ArmMean], record: Record) -> list[Series]:
    of_arm = [mean for mean in means if mean.arm == arm]
    every = [mean for mean in of_arm if mean.finished == len(record.seeds)]
    some = [mean for mean in of_arm if mean.finished != len(record.seeds)]
    lines = [Series(arm, style, _points(every), _intervals(every), dots=True)] if every else []
    # The T* of one seed is a step that the other seeds lack: no mean over all seeds exists there.
    name = f"{arm}, not every seed"
    dots = [Series(name, f"{style} hollow", _points(some), joined=False, dots=True)] if some else []
    return [*lines, *dots]


def _points(means: Sequence[ArmMean]) -> list[tuple[float, float] | None]:
    return [(mean.step, 100 * mean.estimate.value) for mean in means if mean.estimate]


def _intervals(means: Sequence[ArmMean]) -> list[tuple[float, float, float]]:
    return [
        (mean.step, 100 * mean.estimate.low, 100 * mean.estimate.high)
        for mean in means
        if mean.estimate and mean.estimate.low is not None and mean.estimate.high is not None
    ]


def switch_table(record: Record) -> Table:
    """Every arm with its mean test accuracy, interval and seeds."""
    head = ("Arm", "Switch step s", "Test accuracy at T, %", "95 % interval", "Seeds finished")
    return Table(head, tuple(_cells(mean) for mean in arm_means(record)))


def _cells(mean: ArmMean) -> tuple[str, ...]:
    found = mean.estimate
    interval = UNDEFINED
    if found and found.low is not None and found.high is not None:
        interval = f"[{percent(found.low)}, {percent(found.high)}]"
    return (
        mean.arm,
        UNDEFINED if mean.arm == "full" else whole(mean.step),
        percent(found.value) if found else UNDEFINED,
        interval,
        f"{mean.finished} of {mean.started}",
    )
