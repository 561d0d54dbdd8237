"""Runs of specs small enough for tests, and what they tell."""

from pathlib import Path

import torch
from PIL import Image
from synthetic import make_spec

from conebench.record import Record, read_record
from conebench.runner import RunOptions, run_spec
from conebench.spec import Spec

CPU = torch.device("cpu")
TINY: dict[str, object] = {
    "name": "tiny",
    "model": {"name": "cifar_resnet8", "kwargs": {"width": 2}},
    "dataset": {"name": "digits", "train_size": 200, "test_size": 50},
    "training": {
        "steps": 16,
        "batch_size": 20,
        "optimizer": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-3},
    },
    "switching": {"steps": [4]},
    "kernel": {
        "samples": 10,
        "calibration_samples": 40,
        "checkpoints": {"every": 2, "extra": [1]},
    },
    "seeds": [0, 1],
}


def tiny_spec(**changes: object) -> Spec:
    return make_spec(**{**TINY, **changes})


class RecordingProgress:
    """Notes every stage; stops the run in one of them, if asked, the `moves`-th time it moves."""

    def __init__(self, stop_at: str | None = None, moves: int = 3) -> None:
        self._moves_left = moves
        self.stages: list[tuple[str, bool]] = []
        self.notes: dict[str, str] = {}
        self.rows: list[dict[str, object]] = []
        self.planned = self.done = 0.0
        self._stop_at = stop_at

    def plan(self, work: float) -> None:
        self.planned += work

    def stage(self, name: str, *, cached: bool = False, note: str = "") -> None:
        # Notes on the record are of no stage.
        if name != "record":
            self.stages.append((name, cached))
        self.notes[name] = note

    def metrics(self, row: dict[str, object]) -> None:
        self.rows.append(row)

    def advance(self, work: float) -> None:
        self.done += work
        if self._stop_at == self.stages[-1][0]:
            self._moves_left -= 1
            if self._moves_left == 0:
                raise KeyboardInterrupt


def run(
    spec: Spec,
    folder: Path,
    progress: RecordingProgress | None = None,
    seeds: tuple[int, ...] | None = None,
    kernel_memory: int | None = None,
    jobs: int = 1,
    save_every: float = 60.0,
    device: torch.device = CPU,
    cuda_graphs: bool = False,
) -> Record:
    options = RunOptions(
        folder / "data",
        folder / "runs",
        device,
        seeds,
        kernel_memory,
        jobs,
        save_every,
        cuda_graphs=cuda_graphs,
    )
    record, path = run_spec(spec, options, progress or RecordingProgress())
    assert read_record(path) == record
    return record


def content(record: Record) -> dict[str, object]:
    return {key: value for key, value in record.dump().items() if key != "provenance"}


def folder_spec(folder: Path, classes: str, images: int, **kernel: object) -> Spec:
    """A spec of white images in a folder, whose number only the files tell."""
    for part in ("train", "test"):
        for name in classes:
            of_class = folder / "data/white" / part / name
            of_class.mkdir(parents=True)
            for i in range(images):
                Image.new("RGB", (8, 8), "white").save(of_class / f"{i}.png")
    smallest = {"samples": 4, "calibration_samples": 8, "checkpoints": {"every": 2}}
    return tiny_spec(
        dataset={"name": "imagefolder", "folder": "white", "image_size": 8},
        kernel={**smallest, "outputs": "sum", **kernel},
    )
