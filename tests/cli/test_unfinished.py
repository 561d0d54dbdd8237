"""`conebench show RUN_DIR` of a run without a record."""

import json
import os
import threading
import time
from pathlib import Path

import pytest
from command_line import Call
from synthetic import make_record

from conebench.cli.sparkline import BARS
from conebench.cli.unfinished import drawn
from conebench.record import record_text
from conebench.storage.manifest import Planned, update_manifest
from conebench.storage.store import StageKey, StageResult, Start, Store

ROWS = """\
{"seed": 0, "stage": "ordinary training", "step": 0, "test_accuracy": 0.1}
{"seed": 0, "stage": "ordinary training", "step": 5, "test_accuracy": 0.4}
{"seed": 0, "stage": "kernels", "step": 5, "S": 0.5}
{"seed": 0, "stage": "kernels", "step": 7, "S": 0.05}
{"seed": 0, "stage": "ordinary training", "step": 5, "test_accuracy": 0.5}
{"seed": 0, "sta"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs/a"
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text(ROWS)
    return folder


@pytest.mark.usefixtures("run")
def test_curves_so_far(call: Call) -> None:
    code, out, err = call("show", "runs/a")
    assert (code, err) == (0, "")
    first, second, last = out.splitlines()
    # The last row of a step counts, and one that is being written does not.
    assert first.startswith("seed 0: ordinary training            test_accuracy ")
    assert first.endswith(" 0.5 at step 5")
    assert second.endswith(" 0.05 at step 7")
    assert last == "no record yet; conebench status runs/a shows what is left"


@pytest.mark.parametrize(
    "line",
    [
        b"5",
        b'{"a": 1}',
        b'{"seed": 0, "stage": "kernels", "step": 9}',
        b'{"seed": [0], "stage": "kernels", "step": 9, "S": null}',
        b'{"seed": 0, "stage": "kernels", "step": "x", "S": 0.5}',
        b'{"seed": 0, "stage": "kernels", "step": 9, "S": "x"}',
        b'{"seed": 0, "stage": "kernels", "step": 9, "S": 1e999}',
        b"\xff",
    ],
)
def test_damaged_lines_are_left_out(call: Call, run: Path, line: bytes) -> None:
    _, expected, _ = call("show", "runs/a")
    (run / "metrics.jsonl").write_bytes(line + b"\n" + ROWS.encode())
    assert call("show", "runs/a") == (0, expected, "")


def test_follow_until_the_record_is_there(call: Call, run: Path) -> None:
    record = make_record()
    writer = threading.Timer(0.2, (run / "record.json").write_text, [record_text(record)])
    writer.start()
    code, out, _ = call("show", "runs/a", "--follow")
    writer.join()
    assert code == 0
    assert f", record {record.id}\n" in out


def test_only_a_run_can_be_followed(call: Call, run: Path) -> None:
    (run / "record.json").write_text(record_text(make_record()))
    code, _, err = call("show", "runs/a/record.json", "--follow")
    assert (code, err) == (1, "runs/a/record.json: --follow is for the folder of a run only\n")
    code, out, err = call("show", "digits", "--follow")
    assert (code, out, err) == (1, "", "digits: --follow is for the folder of a run only\n")


def test_follow_waits_for_a_run_that_has_not_started(call: Call, run: Path) -> None:
    waiting = Store(run.with_name("b"))
    waiting.note_start(Start("submitted as job 42, not started yet"))
    line = "runs/b: submitted as job 42, not started yet\n"
    assert call("status", "runs/b") == call("show", "runs/b") == (0, line, "")
    record = make_record()
    writer = threading.Timer(0.2, waiting.record_path.write_text, [record_text(record)])
    writer.start()
    code, out, _ = call("show", "runs/b", "--follow")
    writer.join()
    assert code == 0
    assert f", record {record.id}\n" in out


def test_follow_ends_with_a_run_that_fails(call: Call, run: Path) -> None:
    store = Store(run)
    store.note_start(Start("failed before its first stage: no data", failed=True))
    assert call("show", "runs/a", "--follow") == (
        2,
        "",
        "runs/a: failed before its first stage: no data\n",
    )
    kernels = Planned("seed 0: kernels", 0, StageKey("kernel-seed0", {}), 1.0, 0, 8, "kernel")
    update_manifest(store, [kernels])
    store.save_failure(kernels.stage, "the kernel is zero")
    assert call("show", "runs/a", "--follow") == (2, "", "the kernel is zero\n")


@pytest.mark.usefixtures("run")
def test_of_a_folder_of_records_one_is_to_be_named(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "records/a/2026-01-01-0123abcd.json"
    file.parent.mkdir(parents=True)
    file.write_text(record_text(make_record()))
    name = "records/a/2026-01-01-0123abcd.json"
    for folder in ("records", "records/a"):
        message = f"{folder}: holds no run, but records; choose one, such as {name}\n"
        assert call("show", folder) == (1, "", message)


@pytest.mark.usefixtures("run")
def test_a_folder_that_is_no_run_is_told_at_once(call: Call, tmp_path: Path) -> None:
    (tmp_path / "runs/empty").mkdir()
    for folder in ("runs/empty", "runs/mistyped"):
        message = f"{folder}: holds no run; expected a folder that --run-dir named\n"
        assert call("status", folder) == (1, "", message)
        assert call("show", folder, "--follow") == (1, "", message)
    assert call("show", "runs/empty")[0] == 1


def test_the_runs_of_a_folder_are_shown_one_after_the_other(call: Call, run: Path) -> None:
    for name in ("b", "c"):
        store = Store(run.with_name(name))
        update_manifest(store, [])
        store.record_path.write_text(record_text(make_record()))
    code, out, err = call("show", "runs")
    assert (code, err) == (0, "")
    assert out.count("A synthetic run (synthetic), record ") == 2
    assert call("show", "runs", "--follow") == (
        1,
        "",
        "runs: got no unfinished runs, expected one: choose among runs/b, runs/c\n",
    )


def test_what_is_followed_fits_the_terminal_and_ends_with_the_newest(run: Path) -> None:
    store = Store(run)
    store.note_start(Start("started; it reads the data"))
    assert drawn(run, BARS, 80, 24)[-1] == "started; it reads the data"
    stages = _plan_training(store, 0, 1)
    store.forget_start()
    store.save_result(stages[0].stage, StageResult({}, 1.0))
    rows = [
        {"seed": seed, "stage": "switched(24000)", "step": step, "test_accuracy": 1 / (step + 3)}
        for seed in range(40)
        for step in range(10_000, 10_100)
    ]
    (run / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    for columns, height in ((80, 24), (20, 5), (200, 100)):
        *curves, last = drawn(run, BARS, columns, height)
        assert len(curves) == min(40, height - 2)
        assert curves[-1].startswith("seed 39: switched(24000) test_accuracy ")
        assert last == "1 of 2 stages done; Ctrl-C ends this view, not the run"
        assert max(map(len, curves)) <= max(columns, 75)


def test_a_finished_run_is_not_waited_for(call: Call, run: Path) -> None:
    store = Store(run)
    train = Planned("seed 0: training", 0, StageKey("train-seed0", {}), 1.0, 0, 8, "train")
    update_manifest(store, [train])
    store.save_result(train.stage, StageResult({}, 1.0))
    store.record_path.write_text(record_text(make_record()))
    os.utime(store.record_path, (0, 0))
    assert call("show", "runs/a", "--follow")[0] == 0


def _plan_training(store: Store, *seeds: int) -> list[Planned]:
    stages = [
        Planned(f"seed {seed}: full", seed, StageKey(f"full-seed{seed}", {}), 1.0, 0, 8, "full")
        for seed in seeds
    ]
    update_manifest(store, stages)
    return stages


def test_follow_until_every_seed_is_in_the_record(call: Call, run: Path) -> None:
    store, record = Store(run), make_record()
    first, second, third = _plan_training(store, 0, 1, 2)
    store.save_result(first.stage, StageResult({}, 1.0))
    partial = record.model_copy(update={"seeds": record.seeds[:1], "status": "partial"})
    store.record_path.write_text(record_text(partial))

    def finish() -> None:
        # Jobs of other seeds: one fails, one ends.
        store.save_failure(second.stage, "out of memory")
        store.save_result(third.stage, StageResult({}, 1.0))
        # The last stage has its result before the record has it.
        time.sleep(1.5)
        both = {"seeds": [record.seeds[0], record.seeds[2]], "status": "partial"}
        store.save_record(record_text(record.model_copy(update=both)))

    jobs = threading.Timer(0.2, finish)
    jobs.start()
    code, out, _ = call("show", "runs/a", "--follow")
    jobs.join()
    assert code == 0
    assert "\nseed 0:" in out
    assert "\nseed 2:" in out


def test_follow_prefers_the_run_that_is_under_way(call: Call, run: Path) -> None:
    done = Store(run.with_name("done"))
    (only,) = _plan_training(done, 0)
    done.save_result(only.stage, StageResult({}, 1.0))
    done.save_record(record_text(make_record()))
    message = "runs: got no unfinished runs, expected one: choose among runs/done\n"
    assert call("show", "runs", "--follow") == (1, "", message)
    Store(run.with_name("new")).note_start(Start("failed before its first stage", failed=True))
    started = Store(run.with_name("started"))
    started.note_start(Start("started"))
    writer = threading.Timer(0.2, started.record_path.write_text, [record_text(make_record())])
    writer.start()
    assert call("show", "runs", "--follow")[0] == 0
    writer.join()
    _plan_training(Store(run), 0)
    message = "runs: got 2 unfinished runs, expected one: choose among runs/a, runs/started\n"
    assert call("show", "runs", "--follow") == (1, "", message)
