"""Motion at averaged weights on a record's page."""

import numpy as np
import pytest
from synthetic import BASE_SPEC, make_record, make_spec

from conebench.site.record_page.averaged import averaged_plots
from conebench.site.record_page.panels import panels_of

KERNEL = {**BASE_SPEC["kernel"], "averaged": True}


def test_both_curves_are_of_the_uniform_grid_and_the_mean_of_the_seeds() -> None:
    record = make_record(make_spec(kernel=KERNEL))
    (plot,) = averaged_plots(record)
    row = next(row for row in plot.table.rows if row[0] == "600")
    at_weights, at_averages = [], []
    for seed in record.seeds:
        averaged = seed.kernel.averaged
        assert averaged is not None
        for found, kernel in ((at_weights, seed.kernel.primary), (at_averages, averaged)):
            i, j = kernel.steps.index(550), kernel.steps.index(600)
            found.append(1 - kernel.G()[i, j])
    assert float(row[1]) == pytest.approx(np.mean(at_weights), rel=5e-3)
    assert float(row[2]) == pytest.approx(np.mean(at_averages), rel=5e-3)
    assert [name.text for name in plot.drawing.names][-2:] == ["weights", "averaged weights"]
    # Averages begin with the first interval, so they have no motion over it.
    assert plot.table.rows[0][2] == "–"


def test_it_stands_under_motion() -> None:
    record = make_record(make_spec(kernel=KERNEL))
    (motion,) = (panel for panel in panels_of(record) if panel.title == "Motion")
    assert "averaged" in [plot.key for plot in motion.plots]


def test_without_averages_there_is_none() -> None:
    assert averaged_plots(make_record()) == []
