"""Parts that plots of a record's page share."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from conebench.analysis.distance import FloatArray, IntArray
from conebench.record import Record, SeedResult
from conebench.record.quantities import optional, whole
from conebench.site.charts.drawing import Band, Rule, Series, draw, horizontal, vertical
from conebench.site.charts.plot import Plot
from conebench.site.charts.table import Table
from conebench.spec.schedule import milestone_steps

# By seed, then by step.
SeedCurves = Mapping[int, Mapping[int, float]]


def stepped(steps: IntArray, cells: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Put its step in front of each row."""
    return tuple((whole(t), *row) for t, row in zip(steps.tolist(), cells, strict=True))


def as_curve(steps: IntArray, values: FloatArray) -> dict[int, float]:
    """Return values by step."""
    return dict(zip(steps.tolist(), values.tolist(), strict=True))


def early(record: Record) -> list[Band]:
    """Return the tinted band of steps before w."""
    w = record.figures.w
    return [] if w is None else [Band("early", 0, w)]


def boundaries(record: Record, seeds: Sequence[SeedResult] = ()) -> list[Rule]:
    """Return w, and T* of each seed, as upright lines."""
    w = record.figures.w
    window = [] if w is None else [Rule("late window, from w", "boundary", w)]
    starts = {seed.phases.T_star for seed in seeds or record.seeds}
    name = "T*" if len(starts) == 1 else "T* of each seed"
    known = sorted(step for step in starts if step is not None)
    return [*window, *(Rule(name, "settling", step) for step in known)]


def drops(record: Record) -> list[Rule]:
    """Return drops of the learning rate, as upright lines."""
    if record.spec.training.schedule.name != "multistep":
        return []
    return [Rule("learning-rate drop", "drop", step) for step in milestone_steps(record.spec)]


def interval_curves(
    record: Record, measure: Callable[[FloatArray, IntArray], FloatArray]
) -> SeedCurves:
    """Return a value per interval of G, at its end."""
    curves = {}
    for seed in record.seeds:
        steps = np.array(seed.kernel.steps)
        curves[seed.seed] = as_curve(steps[1:], measure(seed.kernel.primary.G(), steps))
    return curves


def seed_series(curves: SeedCurves) -> list[Series]:
    """Return a line per seed and the mean."""
    if len(curves) == 1:
        return [Series(f"seed {seed}", "mean", list(c.items())) for seed, c in curves.items()]
    lines = [
        Series(f"seed {seed}", "seed", list(curve.items()), quiet=True)
        for seed, curve in curves.items()
    ]
    mean = Series(f"mean of {len(curves)} seeds", "mean", list(mean_curve(curves).items()))
    return [*lines, mean]


def mean_curve(curves: SeedCurves) -> dict[int, float]:
    """Return the mean at steps that every seed has."""
    every = list(curves.values())
    shared = [step for step in every[0] if all(step in curve for curve in every)]
    return {step: float(np.mean([curve[step] for curve in every])) for step in shared}


def seeds_plot(
    record: Record,
    curves: SeedCurves,
    write: Callable[[float], str],
    *,
    key: str,
    title: str,
    caption: str,
    y_label: str,
    log: bool = False,
    level: Sequence[Rule] = (),
    settling: bool = True,
    from_zero: bool = False,
) -> Plot:
    """Return the plot of a curve per seed, with their mean."""
    steps = sorted({step for curve in curves.values() for step in curve})
    heights = [0.0] if from_zero else []
    heights += [y for curve in curves.values() for y in curve.values()]
    upright = boundaries(record) if settling else boundaries(record)[: record.figures.w is not None]
    return Plot(
        key=key,
        title=title,
        caption=caption,
        drawing=draw(
            horizontal(steps, log=log),
            vertical([*heights, *(rule.at for rule in level)], log=log),
            ("step", y_label),
            seed_series(curves),
            upright=[*upright, *drops(record)],
            level=level,
            bands=early(record),
        ),
        table=curves_table(steps, {f"seed {seed}": curves[seed] for seed in curves}, write),
    )


def curve_series(curves: Mapping[str, Mapping[int, float]]) -> list[Series]:
    """Return a line for each curve."""
    return [Series(name, f"c{i}", list(c.items())) for i, (name, c) in enumerate(curves.items())]


def curves_table(
    steps: Iterable[int],
    curves: Mapping[str, Mapping[int, float]],
    write: Callable[[float], str],
    head: str = "Step",
    each: str = "checkpoints",
) -> Table:
    """Return a row per step, a column per curve."""
    rows = ((whole(t), *(optional(write, c.get(t)) for c in curves.values())) for t in steps)
    return Table((head, *curves), tuple(rows), each=each)
