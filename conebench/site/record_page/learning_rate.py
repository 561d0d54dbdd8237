"""Velocity against the learning rate, on the page of a record whose rate changes."""

import numpy as np

from conebench.analysis.distance import velocity_per_rate
from conebench.record import Record
from conebench.record.quantities import distance
from conebench.site.charts.drawing import Series, draw, horizontal, vertical
from conebench.site.charts.plot import Plot
from conebench.site.record_page.plots import boundaries, drops, seed_columns, seed_styles
from conebench.spec import learning_rate

# Summing the rates of more steps would hold up the whole site.
MOST_STEPS = 2_000_000


def rate_plots(record: Record) -> list[Plot]:
    """Velocity per learning rate; nothing where the rate is the same throughout."""
    schedule = record.spec.training.schedule
    steady = schedule.name == "constant" and not schedule.warmup_steps
    if steady or record.spec.total_steps > MOST_STEPS:
        return []
    rates = np.array([learning_rate(record.spec, step) for step in range(record.spec.total_steps)])
    if np.all(rates == rates[0]):
        return []
    found = {}
    for seed in record.seeds:
        steps = np.array(seed.kernel.steps)
        speeds = velocity_per_rate(seed.kernel.G(), steps, rates)
        found[seed.seed] = dict(zip(steps[1:].tolist(), speeds.tolist(), strict=True))
    series = [
        Series(name, style, [(t, v) if v > 0 else None for t, v in found[seed].items()])
        for seed, (name, style) in seed_styles(record).items()
    ]
    plot = Plot(
        key="rate",
        title="Kernel velocity per learning rate",
        caption="S between neighboring checkpoints divided by the sum of the learning rates of the "
        "steps between them; both axes are logarithmic. Across a drop it stays level for a kernel "
        "that diffuses at the pace of training; S grows with the square of a straight way.",
        drawing=draw(
            horizontal((t for of_seed in found.values() for t in of_seed), log=True),
            vertical((v for of_seed in found.values() for v in of_seed.values()), log=True),
            ("step", "S / Σ η"),
            series,
            upright=[*boundaries(record), *drops(record)],
        ),
        table=seed_columns(found, distance),
    )
    return [plot]
