"""Stages that fail: the others go on, and the record says which did, and why."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_runs import content, folder_spec, run, tiny_spec

from conebench.errors import RunError
from conebench.record import Failure, Record, read_record
from conebench.spec import spec_text
from conebench.storage.store import Store, read_facts, read_tensors

Finished = tuple[Record, Path]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("tiny")
    return run(tiny_spec(), folder), folder


def test_images_that_are_all_the_same_have_no_centred_kernel(tmp_path: Path) -> None:
    spec = folder_spec(tmp_path, "ab", 10)
    with pytest.raises(RunError) as caught:
        run(spec, tmp_path)
    # The failure of one seed does not stop the other.
    assert str(caught.value).splitlines() == [
        f"seed {seed}, kernel at step 0: the centered kernel is zero: "
        "all probe images are the same, or the network treats them alike"
        for seed in (0, 1)
    ]


def test_a_failed_run_says_what_failed_and_where_to_look(
    call: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    spec = folder_spec(tmp_path, "ab", 10)
    (tmp_path / "tiny.yaml").write_text(spec_text(spec))
    code, out, err = call("run", "tiny.yaml", "--data-root", "data")
    reason = "seed 0, kernel at step 0: the centered kernel is zero: all probe images are the "
    assert code == 2
    assert re.fullmatch(
        f"tiny: failed: {reason}.* \\(and 1 more\\); see conebench status runs/tiny\n", out
    )
    assert reason in err
    shown = call("status", "runs/tiny")[1]
    assert shown.splitlines()[-1].startswith(f"failed: {reason}")
    assert "to do" not in shown


def test_what_is_missing_leaves_no_folder(
    call: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(spec_text(folder_spec(tmp_path, "ab", 10)))
    assert call("run", "tiny.yaml", "--data-root", "elsewhere")[:2] == (3, "")
    assert not (tmp_path / "runs/tiny").exists()


def test_a_stage_that_fails_is_named(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished[1], tmp_path, dirs_exist_ok=True)
    (damaged,) = (tmp_path / "runs/tiny/stages").glob("probe-seed1-from4-*.json")
    damaged.unlink()

    step = torch.optim.SGD.step

    def run_out(optimizer: torch.optim.SGD) -> None:
        # Of the last layer alone: the checks before training take a step of the whole network.
        if len(optimizer.param_groups[0]["params"]) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\nmore")
        step(optimizer)

    monkeypatch.setattr(torch.optim.SGD, "step", run_out)
    record = run(tiny_spec(), tmp_path)
    reason = "seed 1: probe(4): CUDA out of memory. Tried to allocate"
    assert record.failures == [Failure(seed=1, stage="probe(4)", reason=reason)]
    assert record.status == "partial"
    # The others are all there, and once it can be run it is.
    arms = [[(arm.arm, arm.step) for arm in seed.arms] for seed in record.seeds]
    assert ("probe", 4) in arms[0]
    assert ("probe", 4) not in arms[1]
    monkeypatch.undo()
    assert content(run(tiny_spec(), tmp_path)) == content(finished[0])


def change_checkpoint(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]
) -> None:
    """Put other tensors into the checkpoint that arms of seed 0 leave at 4; forget all arms."""
    (path,) = folder.glob("checkpoints/train-seed0-*/00000004.safetensors")
    tensors, facts = read_tensors(path), read_facts(path)
    assert facts is not None
    Store(folder).write_tensors(path, change(tensors), facts)
    for stage in (folder / "stages").glob("*-from*.json"):
        stage.unlink()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_stages_that_fail_leave_the_others_and_exit_code_2(
    finished: Finished, call: Callable[..., tuple[int, str, str]], tmp_path: Path, jobs: str
) -> None:
    shutil.copytree(finished[1], tmp_path, dirs_exist_ok=True)
    spec, folder = finished[0].spec, tmp_path / "runs/tiny"
    (tmp_path / "tiny.yaml").write_text(spec_text(spec))
    change_checkpoint(folder, lambda _: {"other": torch.zeros(1)})
    code, out, err = call("run", "tiny.yaml", "--jobs", jobs, "--json")
    record = read_record(folder / "record.json")
    assert (code, record.status) == (2, "partial")
    assert record.failures is not None
    stages = [(failure.seed, failure.stage) for failure in record.failures]
    assert stages == [(0, "probe(4)"), (0, "switched(4)")]
    reasons = [failure.reason for failure in record.failures]
    assert reasons[0] == "seed 0: probe(4): Error(s) in loading state_dict for CifarResNet:"
    # They are told last, and as JSON.
    assert err.splitlines()[-2:] == reasons
    assert json.loads(out)["error"].splitlines() == reasons
    arms = [[(arm.arm, arm.step) for arm in seed.arms] for seed in record.seeds]
    lost = {("switched", 4), ("probe", 4)}
    complete = [[(arm.arm, arm.step) for arm in seed.arms] for seed in finished[0].seeds]
    assert arms == [[arm for arm in complete[0] if arm not in lost], complete[1]]


def test_an_arm_that_meets_nan_diverged_and_the_others_are_what_they_were(
    finished: Finished, tmp_path: Path
) -> None:
    shutil.copytree(finished[1], tmp_path, dirs_exist_ok=True)
    change_checkpoint(
        tmp_path / "runs/tiny",
        lambda tensors: {
            name: torch.full_like(t, float("nan")) if name.endswith("weight") else t
            for name, t in tensors.items()
        },
    )
    record = run(tiny_spec(), tmp_path)
    ends = {(arm.arm, arm.step): arm.status for arm in record.seeds[0].arms}
    diverged = {arm for arm, status in ends.items() if status == "diverged"}
    assert diverged == {("switched", 4), ("probe", 4)}
    assert (record.failures, record.status) == (None, "complete")
    assert record.seeds[1] == finished[0].seeds[1]
