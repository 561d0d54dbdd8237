"""conebench.runner.stages.arms: which arms are run, and with which learning rate."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import TINY, RecordingProgress, run, tiny_spec

from conebench.data.datasets import load_data
from conebench.networks.timm_models import make_model
from conebench.record import Record, unpack_bits
from conebench.runner.stages import arms
from conebench.storage.store import read_tensors


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


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, Path]:
    folder = tmp_path_factory.mktemp("arms")
    return run(tiny_spec(seeds=[0]), folder), folder


def test_the_bits_of_full_are_those_of_its_last_checkpoint(finished: tuple[Record, Path]) -> None:
    record, folder = finished
    spec, full = record.spec, record.seeds[0].arms[0]
    data = load_data(spec.dataset, folder / "data", torch.device("cpu"))
    network = make_model(
        spec.model.name, spec.model.kwargs, pretrained=False, classes=10, channels=1, seed=0
    )
    (path,) = (folder / "runs/tiny/checkpoints").rglob("00000016.safetensors")
    network.load_state_dict(read_tensors(path))
    logits = network.eval()(data.normalize(data.test.pixels))
    expected = (logits.argmax(1) == data.test.labels).numpy()
    assert full.correct is not None
    np.testing.assert_array_equal(unpack_bits(full.correct, 50), expected)
    assert full.test_accuracy == record.seeds[0].training.test_accuracy[-1] == expected.mean()


def test_every_arm_says_which_images_it_got_right(finished: tuple[Record, Path]) -> None:
    record, _ = finished
    for arm in record.seeds[0].arms:
        right = arm.right(record.data.test_images)
        assert right is not None
        assert len(right) == 50
        assert right.mean() == arm.test_accuracy
    assert len({arm.correct for arm in record.seeds[0].arms}) > 1


def test_arms_have_a_curve_from_their_start_on(finished: tuple[Record, Path]) -> None:
    record, _ = finished
    found = {(arm.arm, arm.step): arm.curve for arm in record.seeds[0].arms}
    assert found.pop(("full", None)) is None
    for (_, start), curve in found.items():
        assert curve is not None
        assert curve.steps == [step for step in record.spec.checkpoint_steps if step > start]
    lazy, switched = found["lazy", 0], found["switched", 4]
    assert lazy is not None
    assert switched is not None
    assert lazy.test_loss[-1] < lazy.test_loss[0]
    # At first, f(x; theta_s) + J w is the network itself at s.
    at_switch = dict(
        zip(record.seeds[0].training.steps, record.seeds[0].training.test_loss, strict=True)
    )
    assert switched.test_loss[0] == pytest.approx(at_switch[6], rel=0.2)


def test_an_interrupted_arm_has_the_same_curve(
    finished: tuple[Record, Path], tmp_path: Path
) -> None:
    record, _ = finished
    stopped = RecordingProgress(stop_at="seed 0: switched(4)", moves=6)
    with pytest.raises(KeyboardInterrupt):
        run(record.spec, tmp_path, stopped, save_every=0.0)
    resumed = RecordingProgress()
    again = run(record.spec, tmp_path, resumed, save_every=0.0)
    assert resumed.notes["seed 0: switched(4)"].startswith("resumed at step ")
    assert again.seeds[0].arms == record.seeds[0].arms
    assert resumed.done == pytest.approx(resumed.planned)
