"""Velocity per learning rate, on a record's page."""

import numpy as np

from conebench.analysis.distance import velocity_per_rate
from conebench.record import Record
from conebench.record.quantities import distance
from conebench.site.charts.plot import Plot
from conebench.site.record_page.plots import interval_curves, seeds_plot
from conebench.spec import learning_rate

# Adding up the rates of more steps would hold up the whole site.
MOST_STEPS = 2_000_000


def rate_plots(record: Record) -> list[Plot]:
    """Return the plot of velocity per learning rate, if it changes."""
    schedule = record.spec.training.schedule
    steady = schedule.name == "constant" and not schedule.warmup_steps
    if steady or record.spec.total_steps > MOST_STEPS:
        return []
    rates = np.array([learning_rate(record.spec, step) for step in range(record.spec.total_steps)])
    if np.all(rates == rates[0]):
        return []
    plot = seeds_plot(
        record,
        interval_curves(record, lambda G, steps: velocity_per_rate(G, steps, rates)),
        distance,
        key="rate",
        title="Velocity per learning rate",
        caption="S between neighboring checkpoints divided by the sum of the learning rates of the "
        "steps between them; both axes are logarithmic. It stays level across a drop if the kernel "
        "diffuses at the pace of training. On a straight path S grows with the square of the way.",
        y_label="S / Σ η",
        log=True,
    )
    return [plot]
