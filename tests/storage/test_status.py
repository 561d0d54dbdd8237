"""conebench.storage.status: how far a run is, time left, what may be removed; status and clean."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conebench.cli import app
from conebench.errors import InputError, StorageError
from conebench.storage.manifest import Planned, update_manifest
from conebench.storage.status import (
    find_runs,
    is_lost,
    noted_start,
    old_files,
    remove_old_files,
    seconds_left,
    stage_statuses,
)
from conebench.storage.store import StageKey, StageResult, Start, Store


def planned(label: str, kind: str, where: str, work: float, **inputs: float) -> Planned:
    return Planned(label, 0, StageKey(f"{kind}-{where}", inputs), work, 0, 100, kind)


TRAIN = planned("seed 0: ordinary training", "train", "seed0", 300.0)
KERNEL = planned("seed 0: kernels", "kernel", "seed0", 1000.0)
LAZY = planned("seed 0: lazy", "linear", "seed0-from0", 600.0, rate=0.1)
OTHER = planned("seed 0: lazy", "linear", "seed0-from0", 600.0, rate=0.2)
SWITCHED = planned("seed 0: switched(4)", "linear", "seed0-from4", 400.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A run whose training and first lazy arm are done, whose kernels are half measured."""
    store = Store(tmp_path / "runs/tiny")
    update_manifest(store, [TRAIN, KERNEL, OTHER, SWITCHED])
    store.save_result(TRAIN.stage, StageResult({}, 30.0))
    store.save_result(OTHER.stage, StageResult({}, 120.0))
    for step in (0, 50):
        store.kernel_path(KERNEL.stage, step).parent.mkdir(parents=True, exist_ok=True)
        store.kernel_path(KERNEL.stage, step).touch()
    update_manifest(store, [TRAIN, KERNEL, LAZY, SWITCHED])
    return store


def test_each_stage_has_a_state(store: Store) -> None:
    found = [(s.state, s.share, s.seconds) for s in stage_statuses(store)]
    assert found == [
        ("done", 1.0, 30.0),
        ("begun", 0.5, None),
        ("stale", 0.0, None),
        ("to do", 0.0, None),
    ]


def test_failed_stages_come_last(store: Store) -> None:
    store.save_failure(TRAIN.stage, "old")
    store.save_failure(KERNEL.stage, "out of memory")
    found = [(s.planned.label, s.state, s.why) for s in stage_statuses(store)]
    assert found[0] == (TRAIN.label, "done", "")
    assert found[-1] == (KERNEL.label, "failed", "out of memory")
    store.forget_failures(0)
    assert stage_statuses(store)[1].state == "begun"


def test_stages_that_need_a_failed_one_are_blocked(store: Store) -> None:
    store.save_failure(KERNEL.stage, "the kernel is zero")
    states = {s.planned.label: (s.state, s.why) for s in stage_statuses(store)}
    assert states[SWITCHED.label] == states[LAZY.label] == ("blocked", "needs seed 0: kernels")
    assert is_lost(stage_statuses(store))
    # At the pace of training, 0.1 s for one pass.
    assert seconds_left(stage_statuses(store)) == pytest.approx(0.1 * 1000)
    store.forget_failures(0)
    store.save_failure(LAZY.stage, "out of memory")
    assert {s.state for s in stage_statuses(store)} == {"done", "begun", "to do", "failed"}
    assert not is_lost(stage_statuses(store))


def test_time_left_is_at_the_pace_of_stages_of_the_same_kind(store: Store) -> None:
    assert seconds_left([]) is None
    # No kernel and no linear arm is done: all at the pace of training, 0.1 s for one pass.
    assert seconds_left(stage_statuses(store)) == pytest.approx(0.1 * (500 + 600 + 400))
    store.save_result(LAZY.stage, StageResult({}, 120.0))
    pace = (30 + 120) / (300 + 600)
    assert seconds_left(stage_statuses(store)) == pytest.approx(pace * 500 + 0.2 * 400)


def test_a_manifest_of_an_older_version_gives_one_pace_for_all(store: Store) -> None:
    stages = [replace(found, kind="") for found in (TRAIN, KERNEL, LAZY, SWITCHED)]
    update_manifest(store, stages)
    store.save_result(LAZY.stage, StageResult({}, 120.0))
    pace = (30 + 120) / (300 + 600)
    assert seconds_left(stage_statuses(store)) == pytest.approx(pace * (500 + 400))


def test_runs_are_found_in_their_folder_and_above(store: Store) -> None:
    assert find_runs(store.folder) == [store]
    assert find_runs(store.folder.parent) == [store]
    for path in (store.folder / "stages", store.folder / "nowhere"):
        with pytest.raises(InputError, match=f"^{path}: holds no run; "):
            find_runs(path)
    store.manifest_path.unlink()
    with pytest.raises(StorageError, match="got a run folder of layout 1"):
        find_runs(store.folder)


def test_what_no_stage_expects_is_old(store: Store) -> None:
    (old,) = old_files(store)
    assert old.path.name == f"{OTHER.stage.file_stem}.json"
    assert old.bytes == old.path.stat().st_size
    checkpoint = store.checkpoint_path(StageKey("train-seed7", {}), 0)
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("four")
    damaged = store.folder / "record.json.damaged"
    for path in (damaged, checkpoint.with_name("00000001.safetensors.damaged")):
        path.write_text("x")
    found = {file.path: file.bytes for file in old_files(store)}
    assert found == {old.path: old.bytes, checkpoint.parent: 5, damaged: 1}
    before = set(store.folder.rglob("*.*"))
    assert {file.path for file in remove_old_files(store)} == set(found)
    assert old_files(store) == []
    assert before - set(store.folder.rglob("*.*")) >= {old.path, damaged, checkpoint}
    assert stage_statuses(store)[0].state == "done"


def test_without_a_manifest_nothing_is_old(store: Store) -> None:
    store.manifest_path.write_text("{}")
    assert old_files(store) == []
    assert old_files(store) == []


def test_nothing_is_removed_under_a_running_process(store: Store) -> None:
    with store.locked("seed0"), pytest.raises(StorageError, match="another process is at work"):
        remove_old_files(store)
    assert len(old_files(store)) == 1


Invoke = Callable[..., tuple[int, str]]


@pytest.fixture
def invoke(store: Store, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.chdir(store.folder.parents[1])
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str, answer: str = "") -> tuple[int, str]:
        result = CliRunner().invoke(app, arguments, input=answer)
        return result.exit_code, result.output

    return call


def test_status_shows_stages_progress_and_time_left(invoke: Invoke) -> None:
    code, out = invoke("status", "runs/tiny")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["runs/tiny"]
    assert ["seed", "0:", "ordinary", "training", "done", "0:30"] in rows
    assert ["seed", "0:", "kernels", "begun", "50%"] in rows
    assert ["seed", "0:", "lazy", "stale", "rate:", "0.2", "->", "0.1"] in rows
    assert out.endswith("1 of 4 stages done, about 2:30 of work left\n")


def test_status_as_json(invoke: Invoke) -> None:
    code, out = invoke("status", "--json")
    found = json.loads(out)
    assert (code, found["run"], found["seconds_left"]) == (0, "runs/tiny", pytest.approx(150))
    assert found["stages"][1] == {
        "stage": "seed 0: kernels",
        "state": "begun",
        "share": 0.5,
        "saved": 0.5,
        "wall_seconds": None,
        "why": "",
    }


def test_status_tells_of_failures_in_one_line(invoke: Invoke, store: Store) -> None:
    store.save_failure(KERNEL.stage, "seed 0: the kernel is zero")
    store.save_failure(LAZY.stage, "out of memory")
    code, out = invoke("status", "runs/tiny")
    assert (code, out.splitlines()[-1]) == (
        0,
        "failed: seed 0: the kernel is zero (and 1 more); the same command tries again",
    )


def test_where_training_diverged_is_told(invoke: Invoke, store: Store) -> None:
    store.save_result(TRAIN.stage, StageResult({"diverged_at": 1200}, 30.0))
    _, out = invoke("status", "runs/tiny")
    assert "ordinary training  done       0:30  diverged at step 1,200" in out


def test_a_run_that_has_planned_nothing_yet(invoke: Invoke, store: Store) -> None:
    other = Store(store.folder.with_name("other"))
    with noted_start([store, other], "started"):
        assert invoke("status", "runs/other") == (0, "runs/other: started\n")
        found = [json.loads(line) for line in invoke("status", "--json")[1].splitlines()]
        assert [(run["run"], run["start"]) for run in found] == [
            ("runs/other", "started"),
            ("runs/tiny", None),
        ]
    assert not other.folder.exists()
    other.note_start(Start("submitted"))
    update_manifest(other, [TRAIN])
    assert other.start() is None
    assert [path.name for path in other.folder.iterdir()] == ["manifest.json"]


def test_clean_lists_asks_and_removes(invoke: Invoke, store: Store) -> None:
    old = next(iter(old_files(store)))
    code, out = invoke("clean", "--dry-run")
    line, total = out.splitlines()
    assert (code, line.split()) == (
        0,
        [str(old.bytes), "bytes", "runs/tiny/stages/" + old.path.name],
    )
    assert total == f"1 old stages or files, {old.bytes} bytes can be removed"
    code, out = invoke("clean", answer="n\n")
    assert code == 0
    assert old.path.exists()
    assert invoke("clean", "runs/tiny", answer="y\n")[0] == 0
    assert not old.path.exists()
    assert invoke("clean", "--yes") == (0, "0 old stages or files, 0 bytes can be removed\n")


def test_status_needs_no_torch(store: Store) -> None:
    code = (
        "import sys; from conebench.cli import main\n"
        f"sys.argv = ['conebench', 'status', {str(store.folder)!r}]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'timm', 'torchvision'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_status_tells_what_the_next_start_resumes_from(invoke: Invoke, store: Store) -> None:
    for step in (0, 50):
        store.checkpoint_path(SWITCHED.stage, step).parent.mkdir(parents=True, exist_ok=True)
        store.checkpoint_path(SWITCHED.stage, step).touch()
    share = (50 - SWITCHED.first) / (SWITCHED.last - SWITCHED.first)
    assert f"begun {share:.0%}, saved 0%" in invoke("status", "runs/tiny")[1]
    saved = (20 - SWITCHED.first) / (SWITCHED.last - SWITCHED.first)
    store.unfinished_path(SWITCHED.stage, 20).parent.mkdir(parents=True)
    store.unfinished_path(SWITCHED.stage, 20).touch()
    assert f"begun {share:.0%}, saved {saved:.0%}" in invoke("status", "runs/tiny")[1]
