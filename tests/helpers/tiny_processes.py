"""`conebench run` of a small spec in processes of their own, which may be killed or limited."""

import json
import multiprocessing
import os
import resource
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

from conebench.cli import main

# Children start with all libraries loaded, so that many are cheap.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["conebench.runner", "conebench.cli", "tiny_runs"])

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


def run_command(folder: Path, name: str, limit: int | None, save_every: str = "0") -> None:
    """`conebench run` of the spec in this folder, no file larger than so many bytes."""
    os.chdir(folder)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    sys.argv = ["conebench", "run", "tiny.yaml", "--save-every", save_every]
    with (folder / f"{name}.err").open("w") as sys.stderr:
        main()


def start(
    folder: Path, name: str = "run", limit: int | None = None, spec: str = SPEC
) -> BaseProcess:
    """That command in a process of its own; its stderr goes to a file of this name."""
    (folder / "tiny.yaml").write_text(spec)
    process = SERVER.Process(target=run_command, args=(folder, name, limit))
    process.start()
    return process


def finish(process: BaseProcess) -> int | None:
    """Its exit code."""
    process.join(timeout=120)
    return process.exitcode


def stderr(folder: Path, name: str = "run") -> list[str]:
    """Lines that the command wrote."""
    return (folder / f"{name}.err").read_text().splitlines()


def record_of(folder: Path) -> dict[str, object]:
    """The record in this folder, without its provenance."""
    record = json.loads((folder / "runs/tiny/record.json").read_text())
    return {key: value for key, value in record.items() if key != "provenance"}
