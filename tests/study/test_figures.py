"""Figures of one record per seed."""

import numpy as np
import pytest
from synthetic import make_record, make_spec

from conebench.record import Record, unpack_bits
from conebench.study.export import tidy_rows
from conebench.study.figures import Cell, figures_of
from conebench.study.responses import (
    BENEFIT,
    BENEFIT_EARLY,
    LAZY_GAP,
    LOSS_BENEFIT,
    MOTION,
    RESPONSES,
)

SPEC = make_spec(switching={"steps": [100, 300], "add_t_star": False}, seeds=[0, 1])


@pytest.fixture(scope="module")
def record() -> Record:
    return make_record(SPEC)


@pytest.fixture(scope="module")
def cell(record: Record) -> Cell:
    return figures_of(record, record.id)


def test_figures_of_the_window_are_those_of_the_record(record, cell) -> None:
    window = record.seeds[1].window
    values = cell.seeds[1].values
    assert (values["turn"], values["cone"]) == (window.turn_deg, window.cone_deg)
    assert values["drift_from_1"] == pytest.approx(abs(np.log(window.drift)))
    full = next(v.figures for v in record.seeds[1].windows if v.view == "full")
    assert values["turn@full"] == full.turn_deg
    assert values["label_alignment"] == pytest.approx(0.1 + 0.4 * 0.3)
    assert values["norm_ratio"] == pytest.approx(130 / 100)


def test_differences_of_accuracies_are_by_image(record, cell) -> None:
    arms = {(arm.arm, arm.step): arm for arm in record.seeds[0].arms}
    right = {key: unpack_bits(arm.correct, 360).astype(float) for key, arm in arms.items()}
    expected = right["full", None] - right["switched", 300]
    assert cell.value(0, BENEFIT).tolist() == expected.tolist()
    assert cell.value(0, BENEFIT_EARLY).mean() == pytest.approx(
        arms["full", None].test_accuracy - arms["switched", 100].test_accuracy
    )
    assert cell.value(0, LAZY_GAP).shape == (360,)


def test_means_over_seeds_are_those_of_the_record(record, cell) -> None:
    mean = np.mean([cell.value(seed, BENEFIT).mean() for seed in (0, 1)])
    assert mean == pytest.approx(record.figures.benefit.value)


def test_the_control_is_the_one_where_linear_arms_are_trained_otherwise() -> None:
    spec = make_spec(
        switching={"steps": [300], "add_t_star": False},
        linearization={"learning_rate": 0.01},
        seeds=[0],
    )
    record = make_record(spec)
    arms = {(arm.arm, arm.step): arm for arm in record.seeds[0].arms}
    found = figures_of(record, record.id).seeds[0].values["benefit"]
    expected = arms["control", 300].test_accuracy - arms["switched", 300].test_accuracy
    assert found == pytest.approx(expected)


def test_what_an_arm_did_not_reach_is_undefined(record) -> None:
    seed = record.seeds[0]
    lost = {"status": "diverged", "diverged_at": 400, "test_accuracy": None, "test_loss": None}
    arms = [
        arm.model_copy(update={**lost, "correct": None}) if arm.arm == "switched" else arm
        for arm in seed.arms
    ]
    changed = record.model_copy(update={"seeds": [seed.model_copy(update={"arms": arms})]})
    cell = figures_of(changed, "x")
    assert cell.value(0, BENEFIT) is None
    assert cell.value(0, LOSS_BENEFIT) is None
    assert cell.value(0, LAZY_GAP) is not None
    assert cell.value(7, LAZY_GAP) is None


def test_motion_is_analyzed_as_its_logarithm(record, cell) -> None:
    assert cell.value(0, MOTION) == pytest.approx(np.log(record.seeds[0].window.motion))
    assert MOTION.analyzed(0.0) is None


def test_a_loss_benefit_is_positive_where_more_training_is_better(record, cell) -> None:
    arms = {(arm.arm, arm.step): arm for arm in record.seeds[0].arms}
    expected = arms["switched", 300].test_loss - arms["full", None].test_loss
    assert cell.seeds[0].values["loss_benefit"] == pytest.approx(expected)


def test_the_long_table_has_every_seed_response_and_view(cell) -> None:
    rows = list(tidy_rows([cell]))
    assert {row[3] for row in rows} == {0, 1}
    assert {row[4] for row in rows} <= {response.key for response in RESPONSES}
    turns = {row[5]: row[6] for row in rows if row[3:5] == (0, "turn")}
    assert turns.keys() == {"trace", "full", "sum"}
    assert {row[5] for row in rows if row[4] == "benefit"} == {""}
    assert {row[0] for row in rows} == {""}


def test_only_cells_in_the_papers_set_up_have_the_papers_figures(cell) -> None:
    assert "S(0, late)" not in cell.seeds[0].values
    spec = make_spec(
        name="resnet20-c2",
        training={**SPEC.dump()["training"], "steps": 3000},
        kernel={"samples": 50, "checkpoints": {"every": 100}},
        seeds=[0],
    )
    record = make_record(spec, turn_deg=60, noise=0.1)
    values = figures_of(record, record.id).seeds[0].values
    # 60 degrees from the first kernel; jitter of 0.1 makes S about 0.1^2 / (1 + 0.1^2).
    assert values["S(0, late)"] == pytest.approx(0.5, abs=0.01)
    assert values["S(t, t+100)"] == pytest.approx(0.01 / 1.01, rel=0.02)
    assert values["S(t, t+1000)"] == pytest.approx(0.01 / 1.01, rel=0.02)
