"""conebench.record.seed_means: means over seeds, and what is said of seeds that are missing."""

import numpy as np
import pytest
from synthetic import make_record

from conebench.record.seed_means import arm_cells, arm_means, barrier_means, seed_means


def test_a_mean_is_that_of_the_seeds_that_finished() -> None:
    values = [("b", 0.5), ("a", None), ("b", 0.7), ("a", None), ("c", 0.9), ("b", None)]
    means = seed_means(values, (0.0, 1.0))
    assert list(means) == ["b", "a", "c"]
    assert means["b"].estimate is not None
    assert means["b"].estimate.value == pytest.approx(0.6)
    cells = [mean.cells("Mean", lambda x: f"{x:.1f}") for mean in means.values()]
    assert list(cells[0]) == ["Mean", "95 % interval", "Seeds finished"]
    assert [tuple(found.values()) for found in cells] == [
        ("0.6", "[0.0, 1.0]", "2 of 3"),
        ("–", "–", "0 of 2"),
        ("0.9", "one seed", "1 of 1"),
    ]


def test_every_arm_has_a_mean_in_the_order_of_the_documentation() -> None:
    record = make_record()
    means = arm_means(record)
    assert list(means) == [
        *(("full", 0), ("lazy", 0)),
        *(("switched", step) for step in (100, 200, 300, 500)),
        *(("probe", step) for step in (100, 200, 300, 500)),
    ]
    for (name, step), mean in means.items():
        accuracies = [
            arm.test_accuracy
            for seed in record.seeds
            for arm in seed.arms
            if (arm.arm, arm.step or 0) == (name, step)
        ]
        assert mean.estimate is not None
        assert mean.estimate.value == pytest.approx(np.mean(accuracies))
    full, lazy, *_ = [tuple(cells.values())[:3] for cells in arm_cells(record)]
    assert (full, lazy) == (("full", "–", "95.6"), ("lazy", "0", "60.6"))


def test_an_accuracy_has_the_interval_of_the_summary() -> None:
    """It is over seeds and test images, wherever a page shows it."""
    record = make_record()
    means = arm_means(record)
    assert means["full", 0].estimate == record.figures.A_full
    assert means["lazy", 0].estimate == record.figures.A_lazy


def test_a_record_without_the_chaos_probe_has_no_barriers() -> None:
    assert barrier_means(make_record()) == {}
