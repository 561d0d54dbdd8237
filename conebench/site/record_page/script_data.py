"""Data of a record for scripts: every seed at every checkpoint, and the figures.

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
    lagged_distances,
    velocity,
)
from conebench.analysis.intervals import Estimate
from conebench.record import Record, SeedResult
from conebench.record.quantities import QUANTITIES
from conebench.record.seed_means import arm_means
from conebench.site.board.rows import Row
from conebench.site.html.visible import visible
from conebench.site.record_page.plots import MAX_SEEDS
from conebench.spec import Spec, constant_stretches

DIGITS = 5

Json = str | int | float | None | Sequence["Json"] | Mapping[str, "Json"]


def record_script(record: Record, row: Row, group: str) -> str:
    """Return a script that hands the data of a record to the scripts of pages."""
    data = json.dumps(record_data(record, row, group), separators=(",", ":"), allow_nan=False)
    # No text can end a script element or begin a comment, wherever this is put.
    safe = data.replace("<", "\\u003c")
    return f'(window.conebench ??= {{}})["{row.record_id}"] = {safe};\n'


def record_data(record: Record, row: Row, group: str) -> dict[str, Json]:
    """Return figures, arms and seeds, numbers to 5 digits, accuracies of arms in percent."""
    figures = {q.field: _estimate_data(row.figures[q.field]) for q in QUANTITIES}
    arms: list[Json] = [
        [arm, step, *_in_percent(mean.estimate)] for (arm, step), mean in arm_means(record).items()
    ]
    return {
        "id": row.record_id,
        "title": visible(row.title),
        "model": row.model,
        "group": visible(group),
        "reason": visible(row.reason),
        "figures": figures,
        "arms": arms,
        "seeds": [seed_data(record.spec, seed) for seed in record.seeds[:MAX_SEEDS]],
    }


def seed_data(spec: Spec, seed: SeedResult) -> dict[str, Json]:
    """Return a list per figure with an entry per checkpoint, None where it is undefined.

    `move` is S between neighbors on the uniform part of the grid, at the later one.
    """
    G, steps = seed.kernel.G(), np.array(seed.kernel.steps)
    uniform_steps, uniform_G = seed.kernel.uniform(spec.kernel.checkpoints.every)
    picture, stress = cone_picture(G)
    accuracy = dict(zip(seed.training.steps, seed.training.test_accuracy, strict=True))
    return {
        "seed": seed.seed,
        "T_star": seed.phases.T_star,
        "steps": steps.tolist(),
        "S0": _rounded_all(distances(G)[0].tolist()),
        "velocity": [None, *_rounded_all(velocity(G, steps).tolist())],
        "uniform": uniform_steps.tolist(),
        "move": [None, *_rounded_all(lagged_distances(uniform_G, 1).tolist())],
        "angle": _to_axis(spec, seed, G, steps),
        "accuracy": _rounded_all([_percent(accuracy.get(int(step))) for step in steps]),
        "picture": [_rounded_all(point) for point in picture.tolist()],
        "stress": _rounded(stress),
    }


def _to_axis(spec: Spec, seed: SeedResult, G: FloatArray, steps: IntArray) -> Sequence[Json]:
    """Return the angle of every kernel to the axis of Phase II, in degrees."""
    if seed.phases.T_star is None:
        return []
    end = constant_stretches(spec)[0][1]
    phase2 = between(steps, spec.kernel.checkpoints.every, seed.phases.T_star, end)
    return _rounded_all(to_axis_deg(G, phase2).tolist())


def _estimate_data(estimate: Estimate | None) -> Sequence[Json]:
    return (
        _rounded_all([estimate.value, estimate.low, estimate.high])
        if estimate
        else [None, None, None]
    )


def _in_percent(estimate: Estimate | None) -> Sequence[Json]:
    ends = [estimate.value, estimate.low, estimate.high] if estimate else [None, None, None]
    return _rounded_all([_percent(end) for end in ends])


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _rounded_all(values: Sequence[float | None]) -> list[Json]:
    return [_rounded(value) for value in values]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
