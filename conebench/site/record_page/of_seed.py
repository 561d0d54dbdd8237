"""Plots of one seed: its path, its heat map, references and spectrum."""

from collections.abc import Mapping

import numpy as np

from conebench.analysis.cone import axis_picture, cone_picture
from conebench.analysis.distance import FloatArray, IntArray, between, distances, effective_rank
from conebench.record import Record, SeedResult
from conebench.record.quantities import degrees, distance, distance_rows, whole
from conebench.site.charts.data import Json, rounded
from conebench.site.charts.drawing import Series, draw, horizontal, vertical
from conebench.site.charts.heatmap import draw_heatmap
from conebench.site.charts.path import draw_path
from conebench.site.charts.plot import Plot, evenly, thinned
from conebench.site.charts.table import Table
from conebench.site.record_page.plots import as_curve, boundaries, curve_series, early, stepped
from conebench.spec import Spec

MAX_CHECKPOINTS = 64
# A page lets its reader choose among these; the record has all.
MAX_SEEDS = 10


def window_members(spec: Spec, seed: SeedResult) -> IntArray | None:
    """Return the checkpoints of the late window."""
    start, end = seed.window.start, seed.window.end
    if start is None or end is None:
        return None
    return between(np.array(seed.kernel.steps), spec.kernel.checkpoints.every, start, end)


def path_plot(record: Record, seed: SeedResult) -> Plot:
    """Return the path of the kernel in three dimensions."""
    G, steps = seed.kernel.primary.G(), np.array(seed.kernel.steps)
    members = window_members(record.spec, seed)
    points = cone_picture(G)[0] if members is None else axis_picture(G, members)  # [t, 3]
    window, cone = seed.window, None if members is None else seed.window.cone_deg
    title = "The kernel’s path; without a late window there is no cone"
    if window.turn_deg is not None and cone is not None:
        title = f"It turns by {degrees(window.turn_deg)} to the axis of a cone of {degrees(cone)}"
    exact = (
        "Directions of the kernels, seen from the side: angles to the axis are exact, directions "
        "around it are those of the two largest components. The dashed line is the first kernel."
        if cone is not None
        else "Unit kernels, placed to keep the lengths of their chords as far as three dimensions "
        "allow; all axes have one scale."
    )
    return Plot(
        key="path",
        title=title,
        caption=f"Seed {seed.seed}. {exact}",
        drawing=draw_path(points, steps, record.figures.w, cone),
        table=Table(
            ("Step", "along the axis" if cone is not None else "first", "second", "third"),
            stepped(steps, [[f"{x:.3f}" for x in point] for point in points.tolist()]),
            each="checkpoints",
        ),
        seed=seed.seed,
        special={
            "path": points.round(4).tolist(),
            "steps": steps.tolist(),
            "w": record.figures.w,
            "cone": rounded(cone),
        },
    )


def distance_plot(record: Record, seed: SeedResult) -> Plot:
    """Return the heat map of S between checkpoints."""
    S, steps = distances(seed.kernel.primary.G()), np.array(seed.kernel.steps)  # [t, t], [t]
    chosen = evenly(len(steps), MAX_CHECKPOINTS)
    few, at = S[np.ix_(chosen, chosen)], steps[chosen]
    return Plot(
        key="distance",
        title=_distances_title(S, window_members(record.spec, seed)),
        caption=f"S between the kernels of every two checkpoints of seed {seed.seed}, "
        f"{thinned(len(chosen), len(steps), 'checkpoints')}. The square up and to the right of w "
        "compares kernels of the late window; in a cone it is dark, as their distances stay small. "
        "Colors are by angle, arccos(1 - S), on the same scale for all records.",
        drawing=draw_heatmap(few, at, record.figures.w),
        table=Table(
            ("S, from step", *map(whole, steps.tolist())),
            stepped(steps, distance_rows(S)),
            each="checkpoints",
        ),
        seed=seed.seed,
        special={
            # Whole numbers of 1e-4 are short, and there are thousands.
            "S": [[round(1e4 * s) for s in row[: i + 1]] for i, row in enumerate(few.tolist())],
            "steps": at.tolist(),
            "w": record.figures.w,
        },
    )


def _distances_title(S: FloatArray, members: IntArray | None) -> str:
    if members is None:
        return "S between every two kernels"
    apart, first = S[np.ix_(members, members)].max(), S[0, members].mean()
    return (
        f"From w on kernels are at most S = {distance(apart)} apart, the first is "
        f"{distance(first)} away"
    )


def reference_plot(record: Record, seed: SeedResult) -> Plot:
    """Return S from every checkpoint to five of them."""
    steps, S = np.array(seed.kernel.steps), distances(seed.kernel.primary.G())
    centred = distances(seed.kernel.G(centred=True))[0]
    references = evenly(len(steps), 5).tolist()
    series = [
        Series(f"τ = {steps[r]:,}", f"c{i}", list(as_curve(steps, S[r]).items()))
        for i, r in enumerate(references)
    ]
    series.append(Series("τ = 0, centered", "dashed", list(as_curve(steps, centred).items())))
    return Plot(
        key="references",
        title="How far each kernel is from five references",
        caption=f"S between each checkpoint and five references, the checkpoints at steps τ, "
        f"for seed {seed.seed}. In a cone the curves stay level after w: low for later "
        "references, higher for τ = 0. The dashed curve compares doubly centered kernels.",
        drawing=draw(
            horizontal(steps.tolist()),
            vertical([*S[references].ravel().tolist(), *centred.tolist()]),
            ("step", "S to reference"),
            series,
            upright=boundaries(record, [seed]),
            bands=early(record),
        ),
        table=Table(
            ("Step", *(s.name for s in series)),
            stepped(steps, distance_rows(np.array([*S[references], centred]).T)),
            each="checkpoints",
        ),
        seed=seed.seed,
    )


def scale_plot(record: Record, seed: SeedResult) -> Plot:
    """Return scale and spectrum, which S does not show."""
    kernel, steps = seed.kernel.primary, np.array(seed.kernel.steps)
    norm, trace = np.array(kernel.norm), np.array(kernel.trace)
    figures = {
        "norm of H": norm,
        "trace of H": trace,
        "top eigenvalue": np.array(kernel.top_eigenvalue_share),
        "effective rank": effective_rank(trace, norm),
    }
    relative = {name: as_curve(steps, values / values[0]) for name, values in figures.items()}
    # The alignment may be 0 at step 0, so it has no curve of multiples.
    columns = [*figures.values(), np.array(kernel.label_alignment)]
    return Plot(
        key="scale",
        title="Scale and spectrum, to which S is blind",
        caption=f"Scale and spectrum for seed {seed.seed}, as multiples of their values at step "
        "0; the top eigenvalue is its share of the trace. The axis is logarithmic. The table has "
        "the values themselves, and the centered alignment with the labels.",
        drawing=draw(
            horizontal(steps.tolist()),
            vertical((y for curve in relative.values() for y in curve.values()), log=True),
            ("step", "multiple of step 0"),
            curve_series(relative),
            upright=boundaries(record, [seed]),
            bands=early(record),
        ),
        table=Table(
            ("Step", *figures, "alignment with the labels"),
            stepped(steps, _four_digits(columns)),
            each="checkpoints",
        ),
        seed=seed.seed,
    )


def _four_digits(columns: list[FloatArray]) -> list[list[str]]:
    return [[f"{x:.4g}" for x in row] for row in np.transpose(columns).tolist()]


SEED_PLOTS = (path_plot, distance_plot, reference_plot, scale_plot)


def seed_data(record: Record) -> dict[str, Json]:
    """Return the plots of all other seeds, where they differ from that of the first.

    Their captions are that of the first, but for the number of the seed.
    """
    first, *others = record.seeds[:MAX_SEEDS]
    found: dict[str, dict[str, Mapping[str, Json]]] = {}
    for make in SEED_PLOTS if others else ():
        shown = make(record, first).data
        for seed in others:
            plot = make(record, seed)
            own = {**differences(shown, plot.data), "title": plot.title}
            found.setdefault(plot.key, {})[str(seed.seed)] = own
    return dict(found)


def differences(first: Mapping[str, Json], other: Mapping[str, Json]) -> dict[str, Json]:
    """Return the fields to lay over the first to get the other, None for those it lacks."""
    return {
        name: other.get(name) for name in {**first, **other} if first.get(name) != other.get(name)
    }
