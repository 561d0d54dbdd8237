"""conebench.runner.executors.schedule: which stages may begin, and when."""

import shutil
from pathlib import Path

import pytest
import torch
from tiny_runs import TINY, RecordingProgress, run, tiny_spec

from conebench.runner import RunOptions
from conebench.runner.executors.schedule import AnyStage, Schedule
from conebench.runner.stages.context import Context, open_context
from conebench.runner.stages.results import Stages

SPEC = tiny_spec(
    chaos={"pairs": [[4, 16], [0, 16]], "points": 3},
    dataset={**TINY["dataset"], "validation_size": 40},
    linearization={"learning_rate": [0.05, 1e-6]},
    switching={"steps": [4], "add_t_star": False},
    seeds=[0],
)
RATES = ("0.05", "1e-06")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    run(SPEC, folder)
    return folder / "runs"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A folder of its own, in which nothing has been computed."""
    options = RunOptions(tmp_path / "data", tmp_path / "runs", torch.device("cpu"))
    return open_context(SPEC, options, RecordingProgress())


def end(context: Context, finished: Path, stage: AnyStage) -> None:
    """Put the result of a stage, and its checkpoints, where the schedule finds them."""
    stem = stage.key(context).file_stem
    for source in (finished / "tiny").glob(f"*/{stem}*"):
        target = context.store.folder / source.relative_to(finished / "tiny")
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)


def names(stages: list[AnyStage]) -> list[str]:
    return [stage.name for stage in stages]


def test_stages_begin_when_what_they_read_has_ended(context: Context, finished: Path) -> None:
    schedule = Schedule(context)
    (training,) = schedule.ready(0)
    assert (training.name, schedule.ready(0)) == ("ordinary training", [])
    end(context, finished, training)
    (kernels,) = schedule.after(training)
    assert kernels.name == "kernels"
    end(context, finished, kernels)
    arms = schedule.after(kernels)
    linear = [f"{arm} at {rate}" for arm in ("lazy", "switched(4)", "probe(4)") for rate in RATES]
    assert names(arms) == [
        *linear,
        "perturbed copy(0)",
        "perturbed copy(4)",
        "full on all test images",
    ]
    switched = [stage for stage in arms if stage.name.startswith("switched")]
    end(context, finished, switched[0])
    assert schedule.after(switched[0]) == []
    end(context, finished, switched[1])
    (control,) = schedule.after(switched[1])
    assert control.name == "control(4)"


def test_a_control_does_not_begin_without_the_arm_it_is_for(
    context: Context, finished: Path
) -> None:
    schedule, begun = Schedule(context), list[AnyStage]()
    for _ in range(2):
        (stage,) = begun or schedule.ready(0)
        end(context, finished, stage)
        begun = schedule.after(stage)
    context.store.save_failure(begun[2].key(context), "out of memory")
    for stage in (begun[2], *begun[:2], *begun[3:]):
        if stage is not begun[2]:
            end(context, finished, stage)
        assert schedule.after(stage) == []
    assert [error.reason for error in schedule.failures.values()] == ["out of memory"]


def test_stored_results_are_announced_once_and_not_begun(context: Context, finished: Path) -> None:
    shutil.copytree(finished, context.store.folder.parent)
    schedule = Schedule(context)
    assert schedule.ready(0) == schedule.ready(0) == []
    progress = context.progress
    assert isinstance(progress, RecordingProgress)
    assert len(progress.stages) == len(set(progress.stages)) == 12
    assert all(cached for _, cached in progress.stages)
    assert Stages(context, compute_missing=False).trajectory(0) == schedule.trajectory(0)
