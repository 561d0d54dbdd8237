"""Data of a record for the scripts of pages.

They are a script file per record: a page opened from a folder may load scripts, but no data.
"""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from conebench.analysis.cone import cone_picture, to_axis_deg
from conebench.analysis.distance import (
    FloatArray,
    IntArray,
    between,
    distances,
    velocity,
)
from conebench.analysis.intervals import Estimate
from conebench.record import Record, SeedResult
from conebench.record.quantities import QUANTITIES
from conebench.record.seed_means import arm_means
from conebench.site.board.rows import Row
from conebench.site.html.visible import visible
from conebench.site.record_page.plots import MAX_SEEDS
from conebench.spec import Spec

DIGITS = 5

Json = str | int | float | None | Sequence["Json"] | Mapping[str, "Json"]


def record_script(record: Record, row: Row, group: str) -> str:
    """Return a script that holds the data of a record."""
    data = json.dumps(record_data(record, row, group), separators=(",", ":"), allow_nan=False)
    # No text can end a script element or begin a comment, wherever this is put.
    safe = data.replace("<", "\\u003c")
    return f'(window.conebench ??= {{}})["{row.record_id}"] = {safe};\n'


def record_data(record: Record, row: Row, group: str) -> dict[str, Json]:
    """Return figures, arms and seeds, numbers to 5 digits."""
    figures = {q.field: _estimate_data(row.figures[q.field]) for q in QUANTITIES}
    arms: list[Json] = [
        [
            arm,
            step,
            *_estimate_data(mean.estimate and mean.estimate.mapped(lambda share: 100 * share)),
        ]
        for (arm, step), mean in arm_means(record).items()
    ]
    return {
        "id": row.record_id,
        "title": visible(row.title),
        "model": row.model,
        "group": visible(group),
        "w": record.figures.w,
        "figures": figures,
        "arms": arms,
        "seeds": [seed_data(record.spec, seed) for seed in record.seeds[:MAX_SEEDS]],
    }


def seed_data(spec: Spec, seed: SeedResult) -> dict[str, Json]:
    """Return a list per figure, with an entry per checkpoint."""
    G, steps = seed.kernel.primary.G(), np.array(seed.kernel.steps)
    picture, _ = cone_picture(G)
    percents = [100 * accuracy for accuracy in seed.training.test_accuracy]
    accuracy = dict(zip(seed.training.steps, percents, strict=True))
    return {
        "seed": seed.seed,
        "steps": steps.tolist(),
        "S0": _rounded_all(distances(G)[0].tolist()),
        "velocity": [None, *_rounded_all(velocity(G, steps).tolist())],
        "angle": _to_axis(spec, seed, G, steps),
        "accuracy": _rounded_all([accuracy.get(step) for step in seed.kernel.steps]),
        "picture": [_rounded_all(point) for point in picture.tolist()],
    }


def _to_axis(spec: Spec, seed: SeedResult, G: FloatArray, steps: IntArray) -> Sequence[Json]:
    """Return the angle of every kernel to the axis, in degrees."""
    start, end = seed.window.start, seed.window.end
    if start is None or end is None:
        return []
    inside = between(steps, spec.kernel.checkpoints.every, start, end)
    return _rounded_all(to_axis_deg(G, inside).tolist())


def _estimate_data(estimate: Estimate | None) -> Sequence[Json]:
    return _rounded_all([getattr(estimate, end, None) for end in ("value", "low", "high")])


def _rounded_all(values: Sequence[float | None]) -> list[Json]:
    return [_rounded(value) for value in values]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
