"""Velocity per learning rate on a record's page."""

import numpy as np
import pytest
from synthetic import BASE_SPEC, make_record, make_spec

from conebench.site.record_page.learning_rate import rate_plots


@pytest.mark.parametrize(
    "schedule",
    [{"name": "multistep", "milestones": [0.6]}, {"name": "cosine"}, {"warmup_steps": 100}],
)
def test_velocities_are_per_rate_where_the_rate_changes(schedule: dict[str, object]) -> None:
    spec = make_spec(training={**BASE_SPEC["training"], "schedule": schedule})
    record = make_record(spec)
    (plot,) = rate_plots(record)
    kernel = record.seeds[0].kernel.primary
    # From step 550 to 600 there is no drop and no warm-up.
    i = kernel.steps.index(550)
    S = 1 - kernel.G()[i, i + 1]
    rate = 0.05 * (1 + np.cos(np.pi * (np.arange(550, 600) / 1000)))
    summed = rate.sum() if schedule.get("name") == "cosine" else 50 * 0.1
    row = next(row for row in plot.table.rows if row[0] == "600")
    assert float(row[1]) == pytest.approx(S / summed, rel=5e-3)
    assert plot.drawing.names[-1].text == "mean of 5 seeds"


def test_at_one_rate_velocity_says_it_all() -> None:
    assert rate_plots(make_record()) == []
