"""The data of a record's page for its script: every seed at every checkpoint, and the figures.

They come as a script file, one a record: a page from a folder may load scripts, but no data.
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
    """A script that puts the record's data where the pages' scripts look for them."""
    data = json.dumps(record_data(record, row, group), separators=(",", ":"), allow_nan=False)
    # No text can end a script element or begin a comment, wherever this is put.
    safe = data.replace("<", "\\u003c")
    return f'(window.conebench ??= {{}})["{row.record_id}"] = {safe};\n'


def record_data(record: Record, row: Row, group: str) -> dict[str, Json]:
    """Figures, arms and seeds of one record, numbers to 5 digits, accuracies in percent."""
    figures = {q.field: _estimate(row.figures[q.field]) for q in QUANTITIES}
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
    """One list a figure, one entry a checkpoint; nothing where a figure is not defined.

    `move` is S between neighbors, at the later one, on the uniform part of the grid only.
    """
    G, steps = seed.kernel.G(), np.array(seed.kernel.steps)
    uniform_steps, uniform_G = seed.kernel.uniform(spec.kernel.checkpoints.every)
    picture, stress = cone_picture(G)
    accuracy = dict(zip(seed.training.steps, seed.training.test_accuracy, strict=True))
    return {
        "seed": seed.seed,
        "T_star": seed.phases.T_star,
        "steps": steps.tolist(),
        "S0": _short(distances(G)[0].tolist()),
        "velocity": [None, *_short(velocity(G, steps).tolist())],
        "uniform": uniform_steps.tolist(),
        "move": [None, *_short(lagged_distances(uniform_G, 1).tolist())],
        "angle": _to_axis(spec, seed, G, steps),
        "accuracy": _short([_percent(accuracy.get(int(step))) for step in steps]),
        "picture": [_short(point) for point in picture.tolist()],
        "stress": _digits(stress),
    }


def _to_axis(spec: Spec, seed: SeedResult, G: FloatArray, steps: IntArray) -> Sequence[Json]:
    """Angle of every kernel to the axis of Phase II, in degrees."""
    if seed.phases.T_star is None:
        return []
    end = constant_stretches(spec)[0][1]
    phase2 = between(steps, spec.kernel.checkpoints.every, seed.phases.T_star, end)
    return _short(to_axis_deg(G, phase2).tolist())


def _estimate(found: Estimate | None) -> Sequence[Json]:
    return _short([found.value, found.low, found.high]) if found else [None, None, None]


def _in_percent(found: Estimate | None) -> Sequence[Json]:
    ends = [found.value, found.low, found.high] if found else [None, None, None]
    return _short([_percent(end) for end in ends])


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _short(values: Sequence[float | None]) -> list[Json]:
    return [_digits(value) for value in values]


def _digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
