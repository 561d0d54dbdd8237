"""conebench.runner end to end on a tiny spec: stages, resuming, determinism, outcomes."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import scipy.sparse.linalg
import torch
from tiny_runs import TINY, RecordingProgress, content, run, tiny_spec

import conebench
from conebench.errors import ConebenchError, DeviceMissingError, StorageError
from conebench.record import Record
from conebench.runner.stages.code import git_state
from conebench.runner.stages.device import choose_device
from conebench.runner.stages.training import curve_size
from conebench.storage.atomic_files import write_json

Finished = tuple[Record, Path, RecordingProgress]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, Path, RecordingProgress]:
    folder = tmp_path_factory.mktemp("tiny")
    progress = RecordingProgress()
    return run(tiny_spec(), folder, progress), folder, progress


def test_a_record_holds_every_seed_checkpoint_and_arm(finished: Finished) -> None:
    record, _, _ = finished
    assert record.status == "complete"
    assert [seed.seed for seed in record.seeds] == [0, 1]
    grid = list(record.spec.checkpoint_steps)
    for seed in record.seeds:
        assert seed.training.steps == grid
        assert seed.kernel.steps == grid
        switches = sorted({4, *([] if seed.phases.T_star is None else [seed.phases.T_star])})
        expected = [(arm, step) for step in switches for arm in ("switched", "probe")]
        arms = [(arm.arm, arm.step) for arm in seed.arms]
        assert arms == [("full", None), ("lazy", 0), *expected]
        full = seed.arms[0]
        assert full.test_accuracy == seed.training.test_accuracy[-1]
        assert all(arm.status == "finished" for arm in seed.arms)


def test_the_gram_matrix_is_one_of_kernels(finished: Finished) -> None:
    record, _, _ = finished
    for seed in record.seeds:
        for G in (seed.kernel.G(), seed.kernel.G(centred=True)):
            assert (G.diagonal() == 1).all()
            assert G.min() > -1e-12
            assert torch.linalg.eigvalsh(torch.from_numpy(G)).min() > -1e-9
        assert all(0 < share <= 1 for share in seed.kernel.top_eigenvalue_share)


def test_the_first_and_the_last_kernel_are_checked(finished: Finished) -> None:
    record, _, _ = finished
    for seed in record.seeds:
        check = seed.kernel.self_check
        assert check is not None
        assert check.steps == [0, record.spec.total_steps]
        assert all(0 < error < 1e-4 for error in check.relative_error)


def test_how_the_kernels_were_built_is_provenance(finished: Finished, tmp_path: Path) -> None:
    record, _, _ = finished
    build = record.provenance.kernel_build
    assert build is not None
    assert build.peak_bytes <= build.memory_limit_bytes
    assert (build.passes, build.samples_at_once) == (1, 10)
    limited = run(record.spec, tmp_path, kernel_memory=build.peak_bytes // 2)
    assert limited.provenance.kernel_build is not None
    assert limited.provenance.kernel_build.samples_at_once < 10
    torch.testing.assert_close(
        torch.from_numpy(limited.seeds[0].kernel.G()),
        torch.from_numpy(record.seeds[0].kernel.G()),
        rtol=0,
        atol=1e-5,
    )


def test_all_planned_work_is_done_and_no_kernel_is_left(finished: Finished) -> None:
    _, folder, progress = finished
    # An arm at T* was planned a third of the way, where there is one.
    assert 0.5 * progress.planned < progress.done <= 1.01 * progress.planned
    assert not list((folder / "runs/tiny/kernels").glob("*"))
    assert not list(folder.rglob("*.tmp"))


def test_the_same_spec_gives_the_same_bits(finished: Finished, tmp_path: Path) -> None:
    assert content(run(tiny_spec(), tmp_path)) == content(finished[0])


def test_stages_side_by_side_give_the_same_bits(finished: Finished, tmp_path: Path) -> None:
    progress = RecordingProgress()
    record = run(tiny_spec(), tmp_path, progress, jobs=2)
    assert content(record) == content(finished[0])
    assert (record.provenance.jobs, finished[0].provenance.jobs) == (2, 1)
    # Alone, a stage that two arms share is announced for each; together, each stage is done once.
    alone = [stage for stage in finished[2].stages if not stage[1]]
    assert sorted(progress.stages) == sorted(alone)
    assert (progress.planned, progress.done) == (finished[2].planned, finished[2].done)


AUGMENTATION = {
    "flip": True,
    "resized_crop": {},
    "color_jitter": {"brightness": 0.4, "contrast": 0.4},
    "erasing": {},
    "mixup": 0.4,
}


def test_side_by_side_a_control_waits_for_its_learning_rate_and_copies_are_compared(
    tmp_path: Path,
) -> None:
    spec = tiny_spec(
        chaos={"pairs": [[4, 16], [0, 16]], "points": 3},
        # Each process draws its own images.
        dataset={**TINY["dataset"], "validation_size": 40, "augmentation": AUGMENTATION},
        linearization={"learning_rate": [0.05, 1e-6]},
        seeds=[0],
    )
    together = run(spec, tmp_path / "together", jobs=2)
    assert content(together) == content(run(spec, tmp_path / "alone"))


def test_a_second_run_computes_nothing(finished: Finished) -> None:
    record, folder, _ = finished
    progress = RecordingProgress()
    assert content(run(tiny_spec(), folder, progress)) == content(record)
    assert all(cached for _, cached in progress.stages)


@pytest.mark.parametrize(
    ("stage", "moves", "step"),
    [
        # Each checkpoint is tested, then trained to: also those of an arm, after its start.
        ("seed 0: ordinary training", 6, 2),
        ("seed 1: kernels", 3, 2),
        ("seed 1: lazy", 5, 2),
        ("seed 0: probe(4)", 4, 6),
    ],
)
def test_an_interrupted_run_is_taken_up_to_the_same_bits(
    finished: Finished, tmp_path: Path, stage: str, moves: int, step: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tiny_spec(), tmp_path, RecordingProgress(stage, moves), save_every=0)
    progress = RecordingProgress()
    assert content(run(tiny_spec(), tmp_path, progress)) == content(finished[0])
    assert progress.notes[stage] == f"resumed at step {step}"
    folder = tmp_path / "runs/tiny"
    assert not [path for kind in ("unfinished", "kernels") for path in (folder / kind).glob("*")]
    assert not list(folder.rglob("*.optimizer.safetensors"))


@pytest.mark.parametrize("stage", ["seed 0: ordinary training", "seed 0: kernels", "seed 0: lazy"])
def test_the_time_of_a_stage_is_that_of_all_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """A step and a top eigenvalue take a hundred seconds each, anything else none."""
    seconds = [0]

    def slow(function: Callable[..., Any]) -> Callable[..., Any]:
        def run_slowly(*arguments: Any, **options: Any) -> Any:
            seconds[0] += 100
            return function(*arguments, **options)

        return run_slowly

    monkeypatch.setattr("time.monotonic", lambda: seconds[0])
    monkeypatch.setattr(torch.optim.SGD, "step", slow(torch.optim.SGD.step))
    monkeypatch.setattr("conebench.entk.statistics.eigsh", slow(scipy.sparse.linalg.eigsh))
    spec = tiny_spec(seeds=[0], switching={})
    straight = run(spec, tmp_path / "straight").provenance.wall_seconds
    assert straight >= 100 * (2 * spec.total_steps + len(spec.checkpoint_steps))
    with pytest.raises(KeyboardInterrupt):
        run(spec, tmp_path / "stopped", RecordingProgress(stop_at=stage), save_every=0)
    assert run(spec, tmp_path / "stopped").provenance.wall_seconds == straight


@pytest.mark.parametrize("damaged", ["unfinished", "checkpoints"])
def test_training_that_cannot_resume_starts_again(
    finished: Finished, tmp_path: Path, damaged: str
) -> None:
    stop = RecordingProgress(stop_at="seed 0: ordinary training", moves=6)
    with pytest.raises(KeyboardInterrupt):
        run(tiny_spec(), tmp_path, stop, seeds=(0,), save_every=0)
    for path in (tmp_path / "runs/tiny" / damaged).rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:200])
    record = run(tiny_spec(), tmp_path, seeds=(0,))
    assert record.seeds[0] == finished[0].seeds[0]


def test_carried_optimizers_are_kept_and_taken_up(tmp_path: Path) -> None:
    spec = tiny_spec(linearization={"optimizer_state": "carry"}, seeds=[0])
    straight = run(spec, tmp_path / "straight")
    for stage in ("seed 0: ordinary training", "seed 0: switched(4)"):
        with pytest.raises(KeyboardInterrupt):
            run(spec, tmp_path / "stopped", RecordingProgress(stop_at=stage), save_every=0)
    assert content(run(spec, tmp_path / "stopped")) == content(straight)


def test_augmented_training_is_taken_up_to_the_same_bits(tmp_path: Path) -> None:
    spec = tiny_spec(dataset={**TINY["dataset"], "augmentation": AUGMENTATION}, seeds=[0])
    straight = run(spec, tmp_path / "straight")
    for stage in ("seed 0: ordinary training", "seed 0: lazy"):
        with pytest.raises(KeyboardInterrupt):
            run(spec, tmp_path / "stopped", RecordingProgress(stop_at=stage), save_every=0)
    assert content(run(spec, tmp_path / "stopped")) == content(straight)


def test_seeds_run_apart_add_up_to_the_whole_record(finished: Finished, tmp_path: Path) -> None:
    first = run(tiny_spec(), tmp_path, seeds=(1,))
    assert (first.status, [seed.seed for seed in first.seeds]) == ("partial", [1])
    progress = RecordingProgress()
    assert content(run(tiny_spec(), tmp_path, progress, seeds=(0,))) == content(finished[0])
    assert all(name.startswith("seed 0") for name, _ in progress.stages)


def test_a_changed_switching_schedule_reruns_only_new_arms(
    finished: Finished, tmp_path: Path
) -> None:
    shutil.copytree(finished[1], tmp_path, dirs_exist_ok=True)
    progress = RecordingProgress()
    spec = tiny_spec(switching={"steps": [1, 4]}, title="Another title")
    run(spec, tmp_path, progress)
    new = [name for name, cached in progress.stages if not cached]
    assert new == [f"seed {s}: {arm}(1)" for s in (0, 1) for arm in ("switched", "probe")]


def test_a_stage_whose_inputs_changed_says_which(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished[1], tmp_path, dirs_exist_ok=True)
    progress = RecordingProgress()
    spec = tiny_spec(linearization={"weight_decay": "none"}, switching={"steps": [4, 6]})
    run(spec, tmp_path, progress, seeds=(0,))
    changed = "stale: linearization.weight_decay: zero-origin -> none"
    notes = {name: progress.notes[name] for name, cached in progress.stages if not cached}
    new = {"seed 0: control(4)", "seed 0: switched(6)", "seed 0: control(6)", "seed 0: probe(6)"}
    stale = {"seed 0: lazy", "seed 0: switched(4)", "seed 0: probe(4)"}
    assert {name for name in notes if "(0)" not in name} == new | stale
    assert all(notes[name] == changed for name in stale)
    assert all(notes[name] == "" for name in new)


def test_a_scaled_output_is_another_network_with_the_same_cone(tmp_path: Path) -> None:
    """With lr / alpha^2 and a large alpha, ordinary training is lazy: the kernel stands still."""
    scale = 100.0
    model = {**TINY["model"], "output_scale": scale}
    # Running statistics still approach those of the images while the network stands still.
    kernel = {**TINY["kernel"], "batchnorm": "recalibrated"}
    rate = {"name": "sgd", "learning_rate": 0.05 / scale**2}
    training = {**TINY["training"], "optimizer": rate, "loss": "mse"}
    lazy = run(tiny_spec(model=model, training=training, kernel=kernel, seeds=[0]), tmp_path).seeds[
        0
    ]
    training = {**training, "optimizer": {**rate, "learning_rate": 0.05}}
    rich = run(tiny_spec(training=training, kernel=kernel, seeds=[0]), tmp_path).seeds[0]
    turned, stood = (1 - seed.kernel.G()[0, -1] for seed in (rich, lazy))
    assert 0 <= stood < turned / 10
    assert lazy.kernel.norm[0] == pytest.approx(scale**2 * rich.kernel.norm[0], rel=1e-4)


def test_any_optimizer_of_timm_trains_and_is_taken_up(tmp_path: Path) -> None:
    training = {
        **TINY["training"],
        "optimizer": {"name": "lamb", "learning_rate": 0.01},
        "label_smoothing": 0.1,
        "clip_gradients": 1.0,
    }
    spec = tiny_spec(training=training, seeds=[0])
    straight = run(spec, tmp_path / "straight")
    stop = RecordingProgress(stop_at="seed 0: ordinary training")
    with pytest.raises(KeyboardInterrupt):
        run(spec, tmp_path / "stopped", stop, save_every=0)
    assert content(run(spec, tmp_path / "stopped")) == content(straight)


def test_checkpoints_are_tested_on_what_a_tenth_of_training_allows(finished: Finished) -> None:
    spec, curve = finished[0].spec, finished[0].seeds[0].training
    assert curve.test_images == [10] * 9 + [50]
    long = tiny_spec(training={**TINY["training"], "steps": 1600}, switching={})
    # 0.1 x 3 x 20 x 1600 passes at 802 checkpoints.
    assert (curve_size(spec, 10), curve_size(long, 10), curve_size(long, 2)) == (10, 10, 10)
    sparse = {**TINY["kernel"], "checkpoints": {"every": 200}}
    assert (
        curve_size(long.model_copy(update={"kernel": tiny_spec(kernel=sparse).kernel}), 7) == 1064
    )


@pytest.mark.parametrize("outputs", ["trace", "sum"])
def test_other_reductions_and_float64(tmp_path: Path, outputs: str) -> None:
    kernel = {**TINY["kernel"], "outputs": outputs, "dtype": "float64", "batchnorm": "eval"}
    record = run(tiny_spec(kernel=kernel, seeds=[0]), tmp_path)
    group = ("digits, 200 training images", outputs, 10, "eval", 0.3, 8, "schema 1")
    assert record.comparability == group
    assert record.summary.CES is None or record.summary.CES.low is None
    check = record.seeds[0].kernel.self_check
    assert check is not None
    assert max(check.relative_error) < 1e-12


def test_divergence_is_an_outcome(tmp_path: Path) -> None:
    training = {**TINY["training"], "optimizer": {"name": "sgd", "learning_rate": 1e25}}
    progress = RecordingProgress()
    record = run(tiny_spec(training=training, seeds=[0]), tmp_path, progress)
    full = record.seeds[0].arms[0]
    told = progress.notes["seed 0: ordinary training"]
    assert told == f"diverged at step {full.diverged_at}"
    assert (full.status, full.test_accuracy, full.test_loss) == ("diverged", None, None)
    assert full.diverged_at is not None
    assert record.summary.verdict == "diverged"
    assert record.summary.CES is None


def test_a_run_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StorageError, match="runs"):
        run(tiny_spec(), tmp_path)


def test_a_changed_optimizer_state_trains_again(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished[1], tmp_path, dirs_exist_ok=True)
    record = run(tiny_spec(linearization={"optimizer_state": "carry"}), tmp_path, seeds=(0,))
    assert record.seeds[0].training == finished[0].seeds[0].training


def test_lost_checkpoints_are_made_again(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished[1], tmp_path, dirs_exist_ok=True)
    for path in (tmp_path / "runs/tiny/checkpoints").glob("*/00000004.safetensors"):
        path.unlink()
    run(tiny_spec(switching={"steps": [4, 8]}), tmp_path)
    assert content(run(tiny_spec(), tmp_path)) == content(finished[0])


def test_every_damaged_file_is_said_and_made_again(
    finished: Finished, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(finished[1], tmp_path, dirs_exist_ok=True)
    # Training's own result is left: its checkpoints are then all looked at.
    files = [
        path
        for path in (tmp_path / "runs").rglob("*.*")
        if path.suffix in (".json", ".safetensors") and "stages/train-" not in str(path)
    ]
    for path in files:
        flipped = bytearray(path.read_bytes())
        flipped[len(flipped) // 2] ^= 1
        path.write_bytes(flipped)
    assert content(run(tiny_spec(), tmp_path)) == content(finished[0])
    said = {Path(message.partition(": damaged; ")[0]) for message in caplog.messages}
    assert said == set(files)
    assert all(path.with_name(f"{path.name}.damaged").exists() for path in files)


def test_a_stage_result_of_another_shape_is_computed_again(
    finished: Finished, tmp_path: Path
) -> None:
    shutil.copytree(finished[1], tmp_path, dirs_exist_ok=True)
    for path in (tmp_path / "runs/tiny/stages").glob("kernel-seed0-*.json"):
        write_json(path, {"value": {}, "wall_seconds": 1})
    assert content(run(tiny_spec(), tmp_path)) == content(finished[0])


def test_devices() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    if not torch.cuda.is_available():
        assert choose_device("auto") == torch.device("cpu")
        with pytest.raises(DeviceMissingError) as caught:
            choose_device("cuda")
        assert isinstance(caught.value, ConebenchError)


def test_the_commit_is_that_of_the_package_not_of_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Path(conebench.__file__).parent
    here = git_state(package)
    monkeypatch.chdir(tmp_path)
    assert git_state(package) == here


def test_provenance_is_all_that_two_runs_differ_in(finished: Finished) -> None:
    record = finished[0]
    assert set(record.dump()) - set(content(record)) == {"provenance"}
    assert {"torch", "timm", "conebench", "python"} <= set(record.provenance.versions)
    assert record.provenance.wall_seconds > 0
    assert dataclasses.is_dataclass(record.summary)
