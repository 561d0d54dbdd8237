"""Test accuracy at T against the switch step s."""

from collections.abc import Mapping, Sequence

from conebench.analysis.intervals import Estimate
from conebench.record import Record
from conebench.record.seed_means import arm_means
from conebench.site.charts.drawing import (
    Drawing,
    Rule,
    Scale,
    Series,
    draw,
    estimates_series,
    horizontal,
    vertical,
)

CURVES = {"switched": "c0", "control": "c1", "probe": "c2"}
LEVELS = {"full": "level-full", "lazy": "level-lazy"}
LOG_RANGE = 20


def draw_switch_curve(record: Record) -> Drawing:
    """Draw a line per kind of arm, and levels of lazy and full.

    Steps that some seeds did not finish are dots.
    """
    means = {
        key: mean.estimate.mapped(lambda share: 100 * share)
        for key, mean in arm_means(record).items()
        if mean.estimate
    }
    levels = [
        Rule(arm, LEVELS[arm], mean.value) for (arm, _), mean in means.items() if arm in LEVELS
    ]
    curves = {
        arm: {step: mean for (name, step), mean in means.items() if name == arm} for arm in CURVES
    }
    series = [s for arm, curve in curves.items() for s in _arm_series(arm, curve, record)]
    steps = [step for curve in curves.values() for step in curve]
    return draw(
        step_scale(steps),
        vertical([*(y for s in series for y in s.heights), *(level.at for level in levels)]),
        ("switch step s", "test accuracy at T, %"),
        series,
        level=levels,
    )


def step_scale(steps: Sequence[float]) -> Scale:
    """Return a scale of steps, logarithmic if they span much."""
    wide = bool(steps) and min(steps) > 0 and max(steps) >= LOG_RANGE * min(steps)
    # Dots and their bars have a width.
    return horizontal(steps, log=wide, room=0.04)


def _arm_series(arm: str, curve: Mapping[int, Estimate], record: Record) -> list[Series]:
    complete = {step: mean for step, mean in curve.items() if mean.seeds == len(record.seeds)}
    # The T* of one seed is a step that the other seeds lack: no mean over all seeds exists there.
    partial = [(step, mean.value) for step, mean in curve.items() if step not in complete]
    lines = [estimates_series(arm, CURVES[arm], complete.items())] if complete else []
    style = f"{CURVES[arm]} hollow"
    name = f"{arm}, not every seed"
    dots = Series(name, style, partial, joined=False, dots=True, quiet=True)
    return [*lines, dots] if partial else lines
