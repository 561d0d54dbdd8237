"""The small curve in a row of the board."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from conebench.analysis.distance import lagged_distances
from conebench.record import Record, SeedResult
from conebench.record.quantities import distance
from conebench.site.charts.drawing import Scale
from conebench.site.charts.plot import evenly

# Half pixels: whole numbers are short.
WIDTH, HEIGHT, EDGE = 144, 48, 4
MAX_POINTS = 18


@dataclass(frozen=True)
class Spark:
    """A curve without axes."""

    # SVG path data.
    path: str
    # The x of w.
    boundary: int | None
    label: str


def motion_spark(record: Record) -> Spark:
    """Draw S(t, t+dt) of the first seed."""
    seed, w = record.seeds[0], record.figures.w
    every = record.spec.kernel.checkpoints.every
    steps, G = seed.kernel.primary.uniform(every)
    S = lagged_distances(G, 1)
    known = [(t, s) for t, s in zip(steps.tolist(), S.tolist(), strict=False) if s > 0]
    label = f"S over {every:,} steps"
    if known:
        label += f", from {distance(known[0][1])} to {distance(known[-1][1])}"
    return _scaled_spark(known, seed, w, label)


def _scaled_spark(
    points: Sequence[tuple[int, float]], seed: SeedResult, w: int | None, label: str
) -> Spark:
    end = seed.kernel.steps[-1]
    x = Scale(0, end, EDGE, WIDTH - EDGE)
    heights = [y for _, y in points] or [1.0]
    low, high = min(heights), max(heights)
    y = Scale(low, high if high > low else 2 * low + 1, HEIGHT - EDGE, EDGE, log=True)
    # A curve this small needs few points.
    few = [points[i] for i in evenly(len(points), MAX_POINTS)] if points else []
    path = _spark_line([(round(x.at(t)), round(y.at(value))) for t, value in few])
    label = f"{label}, seed {seed.seed}"
    return Spark(path, None if w is None else round(x.at(w)), label)


def _spark_line(points: Sequence[tuple[int, int]]) -> str:
    """Write a line through points, as moves from each to the next."""
    if not points:
        return ""
    moves = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(points)]
    line = " ".join(f"{across} {down}" for across, down in moves)
    return f"M{points[0][0]} {points[0][1]}" + (f"l{line}" if line else "")
