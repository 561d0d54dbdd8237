"""Plots of a record's page, with captions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from conebench.analysis.cone import cone_picture
from conebench.analysis.distance import (
    FloatArray,
    IntArray,
    distances,
    effective_rank,
    lagged_distances,
    velocity,
)
from conebench.record import Record, SeedResult
from conebench.record.quantities import distance, distance_rows, one_decimal, optional, whole
from conebench.record.seed_means import arm_cells
from conebench.site.charts.drawing import Rule, Series, draw, horizontal, vertical
from conebench.site.charts.heatmap import draw_heatmap
from conebench.site.charts.plot import MAX_COLORS, Plot, evenly, thinned
from conebench.site.charts.table import Table, table_of
from conebench.site.record_page.switch_curve import draw_switch_curve
from conebench.spec.schedule import milestone_steps

# By seed, then by step.
SeedCurves = Mapping[int, Mapping[int, float]]

MAX_CHECKPOINTS = 64
MAX_SEEDS = 10
LAGS = (1, 2, 5, 10)


def plots_of(record: Record) -> list[tuple[Plot, ...]]:
    """Return all plots of a record, by section."""
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
    """Return the plot for each seed."""
    first, *others = [
        replace(plot(record, seed), seed=seed.seed) for seed in record.seeds[:MAX_SEEDS]
    ]
    # Links use the key of the first plot, so it has no number.
    return (first, *(replace(other, key=f"{other.key}-seed-{other.seed}") for other in others))


def _distance_plot(record: Record, seed: SeedResult) -> Plot:
    S, steps = distances(seed.kernel.primary.G()), np.array(seed.kernel.steps)  # [t, t], [t]
    chosen = evenly(len(steps), MAX_CHECKPOINTS)
    return Plot(
        key="distance",
        title="Kernel distance S between checkpoints",
        caption=f"S between the kernels of every two checkpoints of seed {seed.seed}, "
        f"{thinned(len(chosen), len(steps), 'checkpoints')}. The square up and to the right of w "
        "compares kernels of the late window; in a cone it is dark, as their distances stay small.",
        drawing=draw_heatmap(S[np.ix_(chosen, chosen)], steps[chosen], record.figures.w),
        table=Table(
            ("S, from step", *map(whole, steps.tolist())),
            _stepped(steps, distance_rows(S)),
            each="checkpoints",
        ),
        steps=tuple(steps[chosen].tolist()),
    )


def _velocity_plot(record: Record) -> Plot:
    return seeds_plot(
        record,
        interval_curves(record, velocity),
        distance,
        key="velocity",
        title="Kernel velocity v",
        caption="S between neighboring checkpoints divided by the steps between them, at the end "
        "of each interval; both axes are logarithmic. Two phases show as a fall, then a level "
        "above zero. Intervals differ in length where the grid has extra checkpoints.",
        y_label="v, per step",
        log=True,
    )


def _switch_plot(record: Record) -> Plot:
    return Plot(
        key="switch",
        title="Test accuracy at T against the switch step",
        caption="Ordinary training to s, linearized from there to T: mean over seeds with its "
        "95 % interval, between the levels of lazy and full. Where switched reaches full, "
        "linearized training from s on is as accurate as ordinary training. Hollow dots: steps "
        "that not every seed finished, such as the T* of one seed.",
        drawing=draw_switch_curve(record, boundaries(record)),
        table=table_of(arm_cells(record)),
    )


def _training_plot(record: Record) -> Plot:
    curves = {
        seed.seed: _as_curve(
            np.array(seed.training.steps), 100 * np.array(seed.training.test_accuracy)
        )
        for seed in record.seeds
    }
    return seeds_plot(
        record,
        curves,
        one_decimal,
        key="training",
        title="Test accuracy during ordinary training",
        caption=f"Accuracy of the arm full at its checkpoints.{_tested_on(record)}",
        y_label="test accuracy, %",
    )


def _tested_on(record: Record) -> str:
    counts = record.seeds[0].training.test_images
    if counts is None or min(counts) == record.data.test_images:
        return ""
    images = record.data.test_images
    return f" Before the end, tested on {min(counts):,} of the {images:,} test images."


def _reference_plot(record: Record, seed: SeedResult) -> Plot:
    steps, S = np.array(seed.kernel.steps), distances(seed.kernel.primary.G())
    centred = distances(seed.kernel.G(centred=True))[0]
    references = evenly(len(steps), 5).tolist()
    series = [
        Series(f"τ = {steps[r]:,}", f"c{i}", list(_as_curve(steps, S[r]).items()))
        for i, r in enumerate(references)
    ]
    at_init = Series("τ = 0, centred kernels", "c5", list(_as_curve(steps, centred).items()))
    series.append(at_init)
    return Plot(
        key="references",
        title="Kernel distance S to reference checkpoints",
        caption=f"S between each checkpoint and five references, the checkpoints at steps τ, "
        f"for seed {seed.seed}. In a cone the curves stay level after w: low for later "
        "references, higher for τ = 0. The last curve compares doubly centred kernels.",
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
    uniform, G = seed.kernel.primary.uniform(every)
    steps = uniform.tolist()
    curves = {
        f"dt = {lag * every:,}": dict(zip(steps, lagged_distances(G, lag).tolist(), strict=False))
        for lag in LAGS
        if lag < len(steps)
    }
    return Plot(
        key="lags",
        title="Kernel distance S over several intervals",
        caption=f"S between the checkpoints at t and t + dt, for seed {seed.seed}; its axis is "
        "logarithmic. In a cone the lines meet: over a longer time the kernel gets no farther.",
        drawing=draw(
            horizontal(steps),
            vertical((S for curve in curves.values() for S in curve.values()), log=True),
            ("step t", "S(t, t + dt)"),
            curve_series(curves),
            upright=[*boundaries(record, [seed]), *drops(record)],
        ),
        table=curves_table(steps, curves, distance),
    )


def _picture_plot(record: Record, seed: SeedResult) -> Plot:
    picture, stress = cone_picture(seed.kernel.primary.G())  # [t, 3]
    steps, w = np.array(seed.kernel.steps), record.figures.w
    # [t], True from w on.
    late = steps >= w if w is not None else np.zeros(len(steps), dtype=bool)
    parts = {"before w": ~late, "from w on": late} if late.any() else {"all": ~late}
    series = [
        Series(name, style, list(map(tuple, picture[part, :2].tolist())), dots=True)
        for (name, part), style in zip(parts.items(), ("c1", "c0"), strict=False)
        if part.any()
    ]
    return Plot(
        key="picture",
        title="The path of the kernel",
        caption=f"Unit kernels of seed {seed.seed}, placed to keep the lengths of their chords as "
        f"far as three dimensions allow (classical multidimensional scaling, stress {stress:.2f}); "
        "the flat picture has the first two. A narrow cone shows as a small cloud after a path.",
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
    kernel, steps = seed.kernel.primary, np.array(seed.kernel.steps)
    norm, trace = np.array(kernel.norm), np.array(kernel.trace)
    figures = {
        "norm of H": norm,
        "trace of H": trace,
        "top-eigenvalue share": np.array(kernel.top_eigenvalue_share),
        "effective rank": effective_rank(trace, norm),
    }
    relative = {name: _as_curve(steps, values / values[0]) for name, values in figures.items()}
    # The alignment may be 0 at step 0, so it has no curve of multiples.
    columns = [*figures.values(), np.array(kernel.label_alignment)]
    return Plot(
        key="scale",
        title="Scale and spectrum of the kernel",
        caption=f"Scale and spectrum, which S does not show, for seed {seed.seed}, as multiples of "
        "their values at step 0; the axis is logarithmic. The table has the values themselves, and "
        "the centred alignment with the labels.",
        drawing=draw(
            horizontal(steps.tolist()),
            vertical((y for curve in relative.values() for y in curve.values()), log=True),
            ("step", "multiple of step 0"),
            curve_series(relative),
            upright=boundaries(record, [seed]),
        ),
        table=Table(
            ("Step", *figures, "alignment with the labels"),
            _stepped(steps, [[f"{x:.4g}" for x in row] for row in np.transpose(columns).tolist()]),
            each="checkpoints",
        ),
    )


def _stepped(steps: IntArray, cells: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Put its step in front of each row."""
    return tuple((whole(t), *row) for t, row in zip(steps.tolist(), cells, strict=True))


def _as_curve(steps: IntArray, values: FloatArray) -> dict[int, float]:
    return dict(zip(steps.tolist(), values.tolist(), strict=True))


def seed_styles(record: Record) -> dict[int, tuple[str, str]]:
    """Return name and color of each seed's line."""
    seeds = [seed.seed for seed in record.seeds]
    if len(seeds) > MAX_COLORS:
        # Too many to tell apart.
        return dict.fromkeys(seeds, ("one line per seed", "c0 thin"))
    return {seed: (f"seed {seed}", f"c{i}") for i, seed in enumerate(seeds)}


def boundaries(record: Record, seeds: Sequence[SeedResult] = ()) -> list[Rule]:
    """Return w, and T* of each seed, as upright lines."""
    w = record.figures.w
    window = [] if w is None else [Rule("w, start of the late window", "boundary", w)]
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
        curves[seed.seed] = _as_curve(steps[1:], measure(seed.kernel.primary.G(), steps))
    return curves


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
) -> Plot:
    """Return the plot of a curve per seed."""
    series = [
        Series(name, style, list(curves[seed].items()))
        for seed, (name, style) in seed_styles(record).items()
    ]
    steps = sorted({step for curve in curves.values() for step in curve})
    return Plot(
        key=key,
        title=title,
        caption=caption,
        drawing=draw(
            horizontal(steps, log=log),
            vertical((y for curve in curves.values() for y in curve.values()), log=log),
            ("step", y_label),
            series,
            upright=[*boundaries(record), *drops(record)],
        ),
        table=curves_table(steps, {f"seed {seed}": curves[seed] for seed in curves}, write),
    )


def curve_series(curves: Mapping[str, Mapping[int, float]]) -> list[Series]:
    """Return a line for each curve."""
    return [Series(name, f"c{i}", list(c.items())) for i, (name, c) in enumerate(curves.items())]


def curves_table(
    steps: Iterable[int], curves: Mapping[str, Mapping[int, float]], write: Callable[[float], str]
) -> Table:
    """Return a row per step, a column per curve."""
    rows = ((whole(t), *(optional(write, c.get(t)) for c in curves.values())) for t in steps)
    return Table(("Step", *curves), tuple(rows), each="checkpoints")
