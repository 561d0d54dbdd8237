"""Runs as processes of their own: killed, interrupted, two at once, on a full disk."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SPEC = """\
name: tiny
title: A tiny run
model: {name: cifar_resnet8, kwargs: {width: 2}}
dataset: {name: digits, train_size: 200, test_size: 50}
training:
  steps: 32
  batch_size: 20
  optimizer: {name: sgd, learning_rate: 0.05, momentum: 0.9}
switching: {steps: [4]}
kernel: {samples: 10, calibration_samples: 40, checkpoints: {every: 4}}
seeds: [0]
"""


def start(folder: Path, *options: str, run_dir: str = "runs") -> subprocess.Popen[str]:
    """`conebench run` of the spec in this folder."""
    (folder / "tiny.yaml").write_text(SPEC)
    return subprocess.Popen(
        [sys.executable, "-m", "conebench", "run", "tiny.yaml", "--run-dir", run_dir, *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and stderr."""
    _, err = process.communicate(timeout=120)
    return process.returncode, err


def content(folder: Path, run_dir: str = "runs") -> dict[str, object]:
    record = json.loads((folder / run_dir / "tiny/record.json").read_text())
    return {key: value for key, value in record.items() if key != "provenance"}


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What an uninterrupted run's record says."""
    folder = tmp_path_factory.mktemp("straight")
    assert finish(start(folder))[0] == 0
    return content(folder)


def test_of_two_processes_in_one_folder_one_waits(
    tmp_path: Path, straight: dict[str, object]
) -> None:
    both = [start(tmp_path), start(tmp_path)]
    ends = [finish(process) for process in both]
    assert [code for code, _ in ends] == [0, 0]
    lines = [line for _, err in ends for line in err.splitlines() if ": seed 0: " in line]
    computed = [line for line in lines if not line.endswith("(done before)")]
    names = [line.partition(": seed 0: ")[2] for line in computed]
    assert sorted(set(names)) == sorted(names)
    assert content(tmp_path) == straight
