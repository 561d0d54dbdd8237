"""Measurements of a run as it goes: metrics.jsonl, and trackers by name.

Each row is one stage of one seed at one step: `seed`, `stage`, `step`, and some of `train_loss`,
`test_loss`, `test_accuracy`, `learning_rate`, and `S`, the distance to the kernel before. A stage
that is computed again writes its rows again; the last ones count.
"""

import csv
import json
import os
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from conebench.errors import InputError, UnmetNeedError
from conebench.runner.stages.progress import Progress, Row
from conebench.spec import Spec
from conebench.storage.atomic_files import storage_error
from conebench.text import did_you_mean

FILE = "metrics.jsonl"
GROUP = "conebench.loggers"
NAMES = ("train_loss", "test_loss", "test_accuracy", "learning_rate", "S")
COLUMNS = ("seed", "stage", "step", *NAMES)


class Logger(Protocol):
    """Receiver of measurements, made by `logger(folder, spec)`."""

    def log(self, row: Row) -> None:
        """Receive one row."""

    def close(self) -> None:
        """Write what is left. The run has ended."""


class JsonLines:
    """Writes metrics.jsonl: one JSON object per row."""

    def __init__(self, folder: Path, _: Spec) -> None:
        self._path = folder / FILE

    def log(self, row: Row) -> None:
        """Append a line."""
        try:
            # Opened for each line, so that a process that is killed has written all of them.
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise storage_error(error, self._path) from None

    def close(self) -> None:
        """Do nothing: each line is written at once."""


class Csv:
    """Writes metrics.csv."""

    def __init__(self, folder: Path, _: Spec) -> None:
        self._path = folder / "metrics.csv"

    def log(self, row: Row) -> None:
        """Append a line, after the names of the columns in a new file."""
        try:
            is_new = not self._path.exists()
            with self._path.open("a", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                if is_new:
                    writer.writeheader()
                writer.writerow(row)
        except OSError as error:
            raise storage_error(error, self._path) from None

    def close(self) -> None:
        """Do nothing: each line is written at once."""


class TensorBoard:
    """Writes event files for TensorBoard in the folder tensorboard of the run."""

    def __init__(self, folder: Path, _: Spec) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def log(self, row: Row) -> None:
        """Write a scalar per measurement."""
        for name in NAMES:
            if row.get(name) is not None:
                tag = f"{name}/seed {row['seed']}: {row['stage']}"
                self._writer.add_scalar(tag, row[name], row["step"])

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class WeightsAndBiases:
    """Logs to Weights & Biases, in the project conebench; `WANDB_PROJECT` chooses another."""

    def __init__(self, folder: Path, spec: Spec) -> None:
        import wandb

        # An argument overrides the variable.
        project = os.environ.get("WANDB_PROJECT", "conebench")
        self._run: Any = wandb.init(
            project=project, name=spec.name, dir=str(folder), config=spec.dump()
        )
        self._run.define_metric("*", step_metric="step")

    def log(self, row: Row) -> None:
        """Log the measurements against the training step."""
        tag = f"seed {row['seed']}: {row['stage']}"
        found = {f"{tag}/{name}": row[name] for name in NAMES if row.get(name) is not None}
        self._run.log(found | {"step": row["step"]})

    def close(self) -> None:
        """End the run there."""
        self._run.finish()


class LoggedProgress:
    """Progress that hands measurements to loggers."""

    def __init__(self, progress: Progress, loggers: Sequence[Logger]) -> None:
        self._progress, self._loggers = progress, loggers
        self.plan, self.stage, self.advance = progress.plan, progress.stage, progress.advance

    def metrics(self, row: Row) -> None:
        """Pass a row to all."""
        for logger in self._loggers:
            logger.log(row)
        self._progress.metrics(row)


def check_loggers(names: Sequence[str]) -> None:
    """Raise an InputError for a name that no logger has."""
    known = sorted(entry_points(group=GROUP).names)
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise InputError(f"--log: got {name!r}, expected one of {', '.join(known)}{hint}")


def open_logger(name: str, folder: Path, spec: Spec) -> Logger:
    """Make the logger of this name, of conebench or of another package."""
    (entry,) = entry_points(group=GROUP, name=name)
    try:
        logger: Logger = entry.load()(folder, spec)
    except ModuleNotFoundError as error:
        raise UnmetNeedError(
            f"--log {name}: {error.name} is not installed; pip install {error.name}"
        ) from None
    return logger
