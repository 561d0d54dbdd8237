"""The plots of a record's page: what is drawn, in words and in data."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from conebench.analysis.cone import cone_picture
from conebench.analysis.distance import (
    FloatArray,
    IntArray,
    distances,
    effective_rank,
    lagged_distances,
    uniform_part,
    velocity,
)
from conebench.record import Record, SeedResult
from conebench.record.quantities import UNDEFINED, distance, distance_rows, percent, whole
from conebench.site.charts.drawing import Rule, Series, draw, horizontal, vertical
from conebench.site.charts.heatmap import draw_heatmap
from conebench.site.charts.plot import MAX_COLORS, Plot, evenly, thinned
from conebench.site.charts.table import Table
from conebench.site.record_page.switch_curve import draw_switch_curve, switch_table
from conebench.spec.schedule import milestone_steps

MAX_CHECKPOINTS = 64
MAX_SEEDS = 10
LAGS = (1, 2, 5, 10)


def plots_of(record: Record) -> list[tuple[Plot, ...]]:
    """All plots of a record, in the page's order; those of one seed come seed by seed."""
    return [
        _each_seed(_distance_plot, record),
        _each_seed(_picture_plot, record),
        (_velocity_plot(record),),
        (_switch_plot(record),),
        (_training_plot(record),),
        _each_seed(_reference_plot, record),
        _each_seed(_lag_plot, record),
        _each_seed(_scale_plot, record),
    ]


def _each_seed(plot: Callable[[Record, SeedResult], Plot], record: Record) -> tuple[Plot, ...]:
    """The plot for each seed; the first keeps its key, which is what links to it say."""
    first, *others = [
        replace(plot(record, seed), seed=seed.seed) for seed in record.seeds[:MAX_SEEDS]
    ]
    return (first, *(replace(other, key=f"{other.key}-seed-{other.seed}") for other in others))


def _distance_plot(_record: Record, seed: SeedResult) -> Plot:
    S, steps = distances(seed.kernel.G()), np.array(seed.kernel.steps)
    chosen = evenly(len(steps), MAX_CHECKPOINTS)
    return Plot(
        key="distance",
        title="Kernel distance S between checkpoints",
        caption=f"S between the kernels of every two checkpoints of seed {seed.seed}, "
        f"{thinned(len(chosen), len(steps), 'checkpoints')}. A cone shows as a dark "
        "square up and to the right of T*: all distances stay small there.",
        drawing=draw_heatmap(S[np.ix_(chosen, chosen)], steps[chosen], seed.phases.T_star),
        table=Table(
            ("S, from step", *map(whole, steps.tolist())),
            _stepped(steps, distance_rows(S)),
            each="checkpoints",
        ),
        steps=tuple(steps[chosen].tolist()),
    )


def _velocity_plot(record: Record) -> Plot:
    moves = {}
    for seed in record.seeds:
        steps = np.array(seed.kernel.steps)
        speeds = velocity(seed.kernel.G(), steps)
        moves[seed.seed] = dict(zip(steps[1:].tolist(), speeds.tolist(), strict=True))
    series = [
        Series(name, style, [(t, v) if v > 0 else None for t, v in moves[seed].items()])
        for seed, (name, style) in seed_styles(record).items()
    ]
    x = horizontal((t for of_seed in moves.values() for t in of_seed), log=True)
    y = vertical((v for of_seed in moves.values() for v in of_seed.values()), log=True)
    rules = [*boundaries(record), *drops(record)]
    return Plot(
        key="velocity",
        title="Kernel velocity v",
        caption="S between neighboring checkpoints divided by the steps between them, at the end "
        "of each interval; both axes are logarithmic. Two phases show as a fall, then a level "
        "that is not zero. Intervals differ in length where the grid has extra checkpoints.",
        drawing=draw(x, y, ("step", "v, per step"), series, upright=rules),
        table=seed_columns(moves, distance),
    )


def _switch_plot(record: Record) -> Plot:
    return Plot(
        key="switch",
        title="Test accuracy at T against the switch step",
        caption="Ordinary training to s, linearized from there to T: mean over seeds with its "
        "95 % interval, between the levels of lazy and full. Where switched reaches full, "
        "nothing that non-linear training does after s is needed. Hollow dots: steps that not "
        "every seed finished, such as the T* of one seed.",
        drawing=draw_switch_curve(record, boundaries(record)),
        table=switch_table(record),
    )


def _training_plot(record: Record) -> Plot:
    curves = {
        seed.seed: dict(zip(seed.training.steps, seed.training.test_accuracy, strict=True))
        for seed in record.seeds
    }
    series = [
        Series(name, style, [(t, 100 * A) for t, A in curves[seed].items()])
        for seed, (name, style) in seed_styles(record).items()
    ]
    x = horizontal(t for curve in curves.values() for t in curve)
    y = vertical(100 * A for curve in curves.values() for A in curve.values())
    rules = [*boundaries(record), *drops(record)]
    return Plot(
        key="training",
        title="Test accuracy during ordinary training",
        caption="The arm full at its checkpoints: what is still gained after T* is earned while "
        f"the kernel stays in its cone.{_tested_on(record)}",
        drawing=draw(x, y, ("step", "test accuracy, %"), series, upright=rules),
        table=seed_columns(curves, percent),
    )


def _tested_on(record: Record) -> str:
    counts = record.seeds[0].training.test_images
    if counts is None or min(counts) == record.data.test_images:
        return ""
    return (
        f" Before the end tested on {min(counts):,} of the {record.data.test_images:,} test images."
    )


def _reference_plot(record: Record, seed: SeedResult) -> Plot:
    steps, S = np.array(seed.kernel.steps), distances(seed.kernel.G())
    centred = distances(seed.kernel.G(centred=True))[0]
    references = evenly(len(steps), 5).tolist()
    series = [
        Series(f"τ = {steps[r]:,}", f"c{i}", _points(steps, S[r])) for i, r in enumerate(references)
    ]
    series.append(Series("τ = 0, centred kernels", "c5", _points(steps, centred)))
    return Plot(
        key="references",
        title="Kernel distance S to reference checkpoints",
        caption=f"S between each checkpoint and five references, the checkpoints at steps τ, "
        f"for seed {seed.seed}. A cone shows as a plateau that is low for the later references "
        "and higher for τ = 0, also where the kernels are doubly centred.",
        drawing=draw(
            horizontal(steps.tolist()),
            vertical([*S[references].ravel().tolist(), *centred.tolist()]),
            ("step", "S to reference"),
            series,
            upright=boundaries(record, [seed]),
        ),
        table=Table(
            ("Step", *(s.name for s in series)),
            _stepped(steps, distance_rows(np.array([*S[references], centred]).T)),
            each="checkpoints",
        ),
    )


def _lag_plot(record: Record, seed: SeedResult) -> Plot:
    every = record.spec.kernel.checkpoints.every
    uniform = uniform_part(np.array(seed.kernel.steps), every)
    G, steps = seed.kernel.G()[np.ix_(uniform, uniform)], np.array(seed.kernel.steps)[uniform]
    lags = {lag * every: lagged_distances(G, lag) for lag in LAGS if lag < len(steps)}
    by_lag = {dt: dict(zip(steps.tolist(), S.tolist(), strict=False)) for dt, S in lags.items()}
    series = [
        Series(f"dt = {dt:,}", f"c{i}", [(t, s) if s > 0 else None for t, s in S.items()])
        for i, (dt, S) in enumerate(by_lag.items())
    ]
    return Plot(
        key="lags",
        title="Kernel distance S over several intervals",
        caption=f"S between the checkpoints at t and t + dt, for seed {seed.seed}; its axis is "
        "logarithmic. In a cone the lines meet: the kernel gets no farther in a longer time.",
        drawing=draw(
            horizontal(steps.tolist()),
            vertical((s for S in by_lag.values() for s in S.values()), log=True),
            ("step t", "S(t, t + dt)"),
            series,
            upright=[*boundaries(record, [seed]), *drops(record)],
        ),
        table=Table(
            ("Step", *(f"dt = {dt:,}" for dt in by_lag)),
            tuple(
                (whole(t), *(distance(S[t]) if t in S else UNDEFINED for S in by_lag.values()))
                for t in steps.tolist()
            ),
            each="checkpoints",
        ),
    )


def _picture_plot(_record: Record, seed: SeedResult) -> Plot:
    picture, stress = cone_picture(seed.kernel.G())
    steps, T_star = np.array(seed.kernel.steps), seed.phases.T_star
    settled = steps >= T_star if T_star is not None else np.zeros(len(steps), dtype=bool)
    parts = {"Phase I": ~settled, "Phase II": settled} if settled.any() else {"all": ~settled}
    series = [
        Series(name, style, list(map(tuple, picture[part, :2].tolist())), dots=True)
        for (name, part), style in zip(parts.items(), ("c1", "c0"), strict=False)
        if part.any()
    ]
    return Plot(
        key="picture",
        title="The path of the kernel",
        caption=f"Unit kernels of seed {seed.seed} placed so that their distances are those of the "
        "chords, as far as three dimensions allow (classical multidimensional scaling, stress "
        f"{stress:.2f}); a flat picture has the first two. A cone shows as a long way, then a "
        "small cloud.",
        drawing=draw(
            horizontal(picture[:, 0].tolist()),
            vertical(picture[:, 1].tolist()),
            ("first dimension", "second dimension"),
            series,
        ),
        table=Table(
            ("Step", "first", "second", "third"),
            _stepped(steps, [[f"{x:.3f}" for x in point] for point in picture.tolist()]),
            each="checkpoints",
        ),
    )


def _scale_plot(record: Record, seed: SeedResult) -> Plot:
    kernel, steps = seed.kernel, np.array(seed.kernel.steps)
    norm, trace = np.array(kernel.norm), np.array(kernel.trace)
    figures = {
        "norm of H": norm,
        "trace of H": trace,
        "top-eigenvalue share": np.array(kernel.top_eigenvalue_share),
        "effective rank": effective_rank(trace, norm),
    }
    series = [
        Series(name, f"c{i}", _points(steps, values / values[0]))
        for i, (name, values) in enumerate(figures.items())
    ]
    columns = [*figures.values(), np.array(kernel.label_alignment)]
    return Plot(
        key="scale",
        title="Scale and spectrum of the kernel",
        caption=f"What S is blind to, for seed {seed.seed}, as multiples of the values at step 0; "
        "the axis is logarithmic. The values themselves, and the centred alignment with the "
        "labels, are in the table.",
        drawing=draw(
            horizontal(steps.tolist()),
            vertical((y for v in figures.values() for y in (v / v[0]).tolist()), log=True),
            ("step", "multiple of step 0"),
            series,
            upright=boundaries(record, [seed]),
        ),
        table=Table(
            ("Step", *figures, "alignment with the labels"),
            _stepped(steps, [[f"{x:.4g}" for x in row] for row in np.transpose(columns).tolist()]),
            each="checkpoints",
        ),
    )


def _stepped(steps: IntArray, cells: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Rows of a table, each headed by its step."""
    return tuple((whole(t), *row) for t, row in zip(steps.tolist(), cells, strict=True))


def _points(steps: IntArray, values: FloatArray) -> list[tuple[float, float] | None]:
    return list(zip(steps.tolist(), values.tolist(), strict=True))


def seed_styles(record: Record) -> dict[int, tuple[str, str]]:
    """Name and color of each seed's line; one name for all where there are too many to tell."""
    seeds = [seed.seed for seed in record.seeds]
    if len(seeds) > MAX_COLORS:
        return dict.fromkeys(seeds, ("one line a seed", "c0 thin"))
    return {seed: (f"seed {seed}", f"c{i}") for i, seed in enumerate(seeds)}


def boundaries(record: Record, seeds: Sequence[SeedResult] = ()) -> list[Rule]:
    """T* of each seed, as upright lines."""
    found = {seed.phases.T_star for seed in seeds or record.seeds}
    name = "T*" if len(found) == 1 else "T* of each seed"
    return [Rule(name, "boundary", step) for step in sorted(s for s in found if s is not None)]


def drops(record: Record) -> list[Rule]:
    """Drops of the learning rate, as upright lines."""
    if record.spec.training.schedule.name != "multistep":
        return []
    return [Rule("learning-rate drop", "drop", step) for step in milestone_steps(record.spec)]


def seed_columns(values: dict[int, dict[int, float]], write: Callable[[float], str]) -> Table:
    """One row a step, one column a seed."""
    steps = sorted({step for of_seed in values.values() for step in of_seed})
    rows = tuple(
        (whole(t), *(write(v[t]) if t in v else UNDEFINED for v in values.values())) for t in steps
    )
    return Table(("Step", *(f"seed {seed}" for seed in values)), rows, each="checkpoints")
