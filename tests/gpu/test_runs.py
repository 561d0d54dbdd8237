"""Runs on the device: resumed, repeated, in two processes."""

from pathlib import Path

import pytest
import torch
from tiny_runs import RecordingProgress, content, run, tiny_spec

from conebench.errors import DeviceMissingError
from conebench.record import Record


@pytest.fixture(scope="module")
def straight(device: torch.device, tmp_path_factory: pytest.TempPathFactory) -> Record:
    return run(tiny_spec(), tmp_path_factory.mktemp("straight"), device=device)


def test_a_second_run_gives_the_same_record(
    straight: Record, device: torch.device, tmp_path: Path
) -> None:
    assert content(run(tiny_spec(), tmp_path, device=device)) == content(straight)
    assert straight.provenance.device == device.type


def test_a_run_with_cuda_graphs_gives_the_same_record(
    straight: Record, device: torch.device, tmp_path: Path
) -> None:
    if device.type == "cpu":
        with pytest.raises(DeviceMissingError, match="--cuda-graphs"):
            run(tiny_spec(), tmp_path, cuda_graphs=True)
        return
    record = run(tiny_spec(), tmp_path, device=device, cuda_graphs=True)
    assert content(record) == content(straight)
    assert record.provenance.cuda_graphs is True


@pytest.mark.parametrize("stage", ["ordinary training", "kernels", "lazy", "switched(4)"])
def test_a_resumed_run_gives_the_same_record(
    straight: Record, device: torch.device, tmp_path: Path, stage: str
) -> None:
    if device.type == "cpu" and stage != "lazy":
        pytest.skip("a GPU's part")
    progress = RecordingProgress(stop_at=f"seed 0: {stage}", moves=2)
    with pytest.raises(KeyboardInterrupt):
        run(tiny_spec(), tmp_path, progress, save_every=0, device=device)
    assert content(run(tiny_spec(), tmp_path, device=device)) == content(straight)


def test_two_processes_give_the_same_record(
    straight: Record, device: torch.device, tmp_path: Path
) -> None:
    assert content(run(tiny_spec(), tmp_path, jobs=2, device=device)) == content(straight)
