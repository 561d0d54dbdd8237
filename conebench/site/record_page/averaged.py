"""Motion of the kernel at averaged weights, on a record's page."""

from collections.abc import Iterable

import numpy as np

from conebench.analysis.distance import FloatArray, IntArray, lagged_distances, uniform_part
from conebench.record import Record
from conebench.record.quantities import distance
from conebench.site.charts.drawing import Series, draw, horizontal, vertical
from conebench.site.charts.plot import Plot
from conebench.site.record_page.plots import (
    SeedCurves,
    as_curve,
    boundaries,
    curves_table,
    drops,
    early,
    mean_curve,
)


def averaged_plots(record: Record) -> list[Plot]:
    """Return the plot of S over one interval, at the weights and at their averages."""
    at_weights, at_averages = {}, {}
    for seed in record.seeds:
        kernel, averaged = seed.kernel, seed.kernel.averaged
        # One kernel alone has no motion.
        if averaged is None or len(averaged.steps) < 2:
            return []
        every, steps = record.spec.kernel.checkpoints.every, np.array(kernel.steps)
        uniform = uniform_part(steps, every)
        G = kernel.primary.G()[np.ix_(uniform, uniform)]
        at_weights[seed.seed] = _motion(G, steps[uniform])
        at_averages[seed.seed] = _motion(averaged.G(), np.array(averaged.steps))
    return [_plot(record, at_weights, at_averages)]


def _motion(G: FloatArray, steps: IntArray) -> dict[int, float]:
    return as_curve(steps[1:], lagged_distances(G, 1))


def _plot(record: Record, at_weights: SeedCurves, at_averages: SeedCurves) -> Plot:
    means = {"weights": mean_curve(at_weights), "averaged weights": mean_curve(at_averages)}
    steps = sorted({step for curve in means.values() for step in curve})
    heights: Iterable[float] = (S for curve in means.values() for S in curve.values())
    styles = dict(zip(means, ("c0", "c1"), strict=True))
    return Plot(
        key="averaged",
        title="Motion at the weights, and at their averages over one interval",
        caption="S between neighboring checkpoints of the uniform grid, means over seeds; both "
        "axes are logarithmic. Where the kernel at averaged weights moves less, the motion is "
        "jitter of SGD around a path; where it moves as much, the path itself bends.",
        drawing=draw(
            horizontal(steps, log=True),
            vertical(heights, log=True),
            ("step", f"S(t, t + {record.spec.kernel.checkpoints.every})"),
            [Series(name, styles[name], list(curve.items())) for name, curve in means.items()],
            upright=[*boundaries(record)[: record.figures.w is not None], *drops(record)],
            bands=early(record),
        ),
        table=curves_table(steps, means, distance),
    )
