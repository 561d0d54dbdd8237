"""Data of a record for scripts.

They are a script file per record: a page opened from a folder may load scripts, but no data.
"""

import json

import numpy as np

from conebench.analysis.cone import to_axis_deg
from conebench.analysis.distance import FloatArray, IntArray, distances, velocity
from conebench.analysis.intervals import Estimate
from conebench.record import Record, SeedResult
from conebench.record.quantities import QUANTITIES, cut_note
from conebench.record.seed_means import arm_means
from conebench.site.board.factors import untold_fields
from conebench.site.board.rows import Row
from conebench.site.charts.data import Json, rounded_all
from conebench.site.html.visible import visible
from conebench.site.record_page.of_seed import MAX_SEEDS, seed_data, window_members
from conebench.spec import Spec


def record_script(record: Record, row: Row, group: str) -> str:
    """Return a script that holds the data of a record."""
    data = json.dumps(record_data(record, row, group), separators=(",", ":"), allow_nan=False)
    # No text can end a script element or begin a comment, wherever this is put.
    safe = data.replace("<", "\\u003c")
    return f'(window.conebench ??= {{}})["{row.record_id}"] = {safe};\n'


def record_data(record: Record, row: Row, group: str) -> dict[str, Json]:
    """Return figures, arms, fields and seeds."""
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
        "spec": visible(row.spec_name),
        "model": row.model,
        "group": visible(group),
        "w": record.figures.w,
        "T": record.spec.total_steps,
        "fields": {name: visible(value) for name, value in row.fields.items()},
        # Told only where nothing else differs.
        "others": {name: visible(text) for name, text in untold_fields(record.spec).items()},
        "figures": figures,
        "cut": cut_note(row.contributions),
        "outcomes": row.outcomes_text,
        "arms": arms,
        "seeds": [curves_data(record.spec, seed) for seed in record.seeds[:MAX_SEEDS]],
        "plots": seed_data(record),
    }


def curves_data(spec: Spec, seed: SeedResult) -> dict[str, Json]:
    """Return a list per figure, with an entry per checkpoint."""
    G, steps = seed.kernel.primary.G(), np.array(seed.kernel.steps)
    percents = [100 * accuracy for accuracy in seed.training.test_accuracy]
    accuracy = dict(zip(seed.training.steps, percents, strict=True))
    return {
        "seed": seed.seed,
        "steps": steps.tolist(),
        "S0": rounded_all(distances(G)[0].tolist()),
        "velocity": [None, *rounded_all(velocity(G, steps).tolist())],
        "angle": _to_axis(spec, seed, G),
        "accuracy": rounded_all([accuracy.get(step) for step in seed.kernel.steps]),
    }


def _to_axis(spec: Spec, seed: SeedResult, G: FloatArray) -> list[Json]:
    """Return the angle of every kernel to the axis, in degrees."""
    members: IntArray | None = window_members(spec, seed)
    return [] if members is None else rounded_all(to_axis_deg(G, members).tolist())


def _estimate_data(estimate: Estimate | None) -> list[Json]:
    return rounded_all([getattr(estimate, end, None) for end in ("value", "low", "high")])
