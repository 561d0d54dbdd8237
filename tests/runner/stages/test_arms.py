"""conebench.runner.stages.arms: which arms are run, and with which learning rate."""

from pathlib import Path

import pytest
from tiny_runs import TINY, RecordingProgress, run, tiny_spec

from conebench.runner.stages import arms


def test_controls_run_where_linear_arms_are_trained_otherwise(tmp_path: Path) -> None:
    spec = tiny_spec(
        linearization={
            "learning_rate": 0.01,
            "weight_decay": "switch-point",
            "optimizer_state": "carry",
            "intercept": "centred",
            "batchnorm": "eval",
            "point": 2,
            "loss": "mse",
        },
        seeds=[0],
    )
    record = run(spec, tmp_path)
    arms = {(arm.arm, arm.step) for arm in record.seeds[0].arms}
    assert {("lazy", 0), ("switched", 4), ("control", 4), ("probe", 4)} <= arms


def test_a_linear_arm_in_small_passes_is_the_same_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tiny_spec(seeds=[0])
    whole = run(spec, tmp_path / "whole").seeds[0].arms
    monkeypatch.setattr(arms, "PASS_BYTES", 1)
    parts = run(spec, tmp_path / "parts").seeds[0].arms
    for a, b in zip(whole, parts, strict=True):
        assert a.test_loss == pytest.approx(b.test_loss, rel=1e-4)
    assert {arm.arm for arm in whole} >= {"full", "lazy", "switched"}


def test_each_arm_takes_the_learning_rate_of_the_best_validation(tmp_path: Path) -> None:
    held_out = {**TINY["dataset"], "validation_size": 40}
    grid, progress = [0.05, 1e-6], RecordingProgress()
    spec = tiny_spec(dataset=held_out, linearization={"learning_rate": grid}, seeds=[0])
    record = run(spec, tmp_path, progress)
    arms = {(arm.arm, arm.step): arm for arm in record.seeds[0].arms}
    assert (record.data.train_images, record.data.test_images) == (160, 50)
    for (name, step), arm in arms.items():
        if name == "full":
            assert (arm.learning_rate, arm.tried) == (None, None)
        elif name == "control":
            assert arm.learning_rate == arms["switched", step].learning_rate
            assert arm.tried is None
        else:
            assert arm.tried is not None
            assert [tried.learning_rate for tried in arm.tried] == grid
            best = max(arm.tried, key=lambda tried: tried.validation_accuracy or 0.0)
            assert arm.learning_rate == best.learning_rate
    # The chosen arm is that which a spec with its rate alone would train.
    chosen = arms["lazy", 0]
    fixed = tiny_spec(
        dataset=held_out, linearization={"learning_rate": chosen.learning_rate}, seeds=[0]
    )
    progress = RecordingProgress()
    lazy = run(fixed, tmp_path, progress).seeds[0].arms[1]
    assert ("seed 0: lazy", True) in progress.stages
    assert (lazy.test_accuracy, lazy.tried) == (chosen.test_accuracy, None)
