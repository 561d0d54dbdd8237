"""conebench.runner.metrics: what a run logs as it goes is what its record holds."""

import csv
import json
import sys
from pathlib import Path

import pytest
from tiny_runs import RecordingProgress, run, tiny_spec

from conebench.analysis import distances
from conebench.errors import InputError
from conebench.record import Record
from conebench.runner.metrics import COLUMNS, check_loggers, open_logger

Rows = list[dict[str, object]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, Rows]:
    folder = tmp_path_factory.mktemp("logged")
    record = run(tiny_spec(seeds=[0]), folder)
    return record, read(folder / "runs" / record.spec.name / "metrics.jsonl")


def read(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text().splitlines()]


def of_stage(rows: Rows, stage: str) -> Rows:
    return [row for row in rows if row["stage"] == stage]


def test_rows_of_ordinary_training_are_its_curve(made: tuple[Record, Rows]) -> None:
    record, rows = made
    curve, found = record.seeds[0].training, of_stage(rows, "ordinary training")
    for column, values in (
        ("step", curve.steps),
        ("train_loss", curve.train_loss),
        ("test_loss", curve.test_loss),
        ("test_accuracy", curve.test_accuracy),
    ):
        assert [row[column] for row in found] == values
    assert {row["seed"] for row in rows} == {0}
    assert found[0]["learning_rate"] == record.spec.training.optimizer.learning_rate


def test_rows_of_arms_are_their_curves(made: tuple[Record, Rows]) -> None:
    record, rows = made
    lazy = next(arm for arm in record.seeds[0].arms if arm.arm == "lazy")
    assert lazy.curve is not None
    found = of_stage(rows, "lazy")
    assert [row["step"] for row in found] == lazy.curve.steps
    assert [row["test_accuracy"] for row in found] == lazy.curve.test_accuracy


def test_rows_of_kernels_are_distances_to_the_one_before(made: tuple[Record, Rows]) -> None:
    record, rows = made
    kernels = record.seeds[0].kernel
    view = next((v for v in kernels.views or [] if v.name == "trace"), kernels)
    S = distances(view.G())
    found = of_stage(rows, "kernels")
    assert [row["step"] for row in found] == kernels.steps[1:]
    expected = [S[i, i + 1] for i in range(len(S) - 1)]
    assert [row["S"] for row in found] == pytest.approx(expected, abs=1e-9)


def test_workers_log_the_same_rows(made: tuple[Record, Rows], tmp_path: Path) -> None:
    progress = RecordingProgress()
    run(tiny_spec(seeds=[0]), tmp_path, progress, jobs=2)
    (path,) = tmp_path.glob("runs/*/metrics.jsonl")

    def key(row: dict[str, object]) -> str:
        return f"{row['stage']} {row['step']:>9}"

    assert sorted(read(path), key=key) == sorted(made[1], key=key)
    assert progress.rows == read(path)


@pytest.fixture
def rows(made: tuple[Record, Rows]) -> Rows:
    return made[1]


def test_csv_has_a_column_per_measurement(rows: Rows, tmp_path: Path) -> None:
    logger = open_logger("csv", tmp_path, tiny_spec())
    for row in rows:
        logger.log(row)
    logger.close()
    with (tmp_path / "metrics.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == list(COLUMNS)
    assert [float(row["S"]) for row in found if row["S"]] == [
        row["S"] for row in rows if "S" in row
    ]


def test_tensorboard_has_a_scalar_per_measurement(rows: Rows, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    logger = open_logger("tensorboard", tmp_path, tiny_spec())
    for row in rows:
        logger.log(row)
    logger.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = events.Scalars("S/seed 0: kernels")
    expected = of_stage(rows, "kernels")
    assert [event.step for event in found] == [row["step"] for row in expected]
    assert [event.value for event in found] == pytest.approx([row["S"] for row in expected])


@pytest.mark.parametrize("project", [None, "mine"])
def test_the_project_of_weights_and_biases_can_be_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: str | None
) -> None:
    # An argument of wandb.init overrides the variable.
    (tmp_path / "wandb.py").write_text("from unittest.mock import MagicMock\ninit = MagicMock()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    if project:
        monkeypatch.setenv("WANDB_PROJECT", project)
    open_logger("wandb", tmp_path, tiny_spec())
    assert sys.modules.pop("wandb").init.call_args.kwargs["project"] == (project or "conebench")


def test_a_logger_of_another_package(
    rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/running.md describes it."""
    (tmp_path / "loggers_of_another.py").write_text("""\
class Mine:
    def __init__(self, folder, spec):
        self.file = (folder / f"{spec.name}.txt").open("w")

    def log(self, row):
        print(row["step"], file=self.file)

    def close(self):
        self.file.close()
""")
    info = tmp_path / "another-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: another\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[conebench.loggers]\nmine = loggers_of_another:Mine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    check_loggers(["mine"])
    logger = open_logger("mine", tmp_path, tiny_spec())
    for row in rows:
        logger.log(row)
    logger.close()
    assert (tmp_path / "tiny.txt").read_text().split() == [str(row["step"]) for row in rows]


def test_a_logger_that_is_not_there() -> None:
    check_loggers(["csv", "wandb"])
    message = "--log: got 'tensorbord', expected one of .*; did you mean 'tensorboard'"
    with pytest.raises(InputError, match=message):
        check_loggers(["tensorbord"])
