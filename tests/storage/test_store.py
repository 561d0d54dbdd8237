"""conebench.storage.store: whole files or none, results found by the hash of their inputs."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from bad_disks import REASONS, break_disk, mounted

from conebench.errors import StorageError
from conebench.storage.store import StageKey, StageResult, Store, read_facts, read_tensors

DIGEST = hashlib.sha256(b"{}\n").hexdigest()
STAGE = StageKey("train-seed0", {"lr": 0.1})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "run")


def test_a_result_is_found_by_its_inputs(store: Store) -> None:
    assert store.result(STAGE) is None
    store.save_result(STAGE, StageResult({"a": [1.5, None]}, 2.0))
    assert store.result(STAGE) == StageResult({"a": [1.5, None]}, 2.0)
    assert store.result(StageKey("train-seed0", {"lr": 0.2})) is None
    assert store.result(StageKey("train-seed1", {"lr": 0.1})) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"value": 1}'])
def test_a_damaged_result_is_set_aside_and_said(
    store: Store, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    store.save_result(STAGE, StageResult(1, 2.0))
    (path,) = (store.folder / "stages").iterdir()
    path.write_text(text)
    assert store.result(STAGE) is None
    aside = path.with_name(f"{path.name}.damaged")
    assert aside.read_text() == text
    assert caplog.messages == [f"{path}: damaged; renamed to {aside.name}, will be made again"]
    assert store.result(STAGE) is None
    assert len(caplog.messages) == 1


def test_nan_is_not_stored(store: Store) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        store.save_result(STAGE, StageResult(float("nan"), 0.0))


def test_tensors_come_back_with_their_facts(store: Store) -> None:
    path = store.checkpoint_path(STAGE, 20)
    shared = torch.arange(3.0)
    store.write_tensors(path, {"a": shared, "b": shared, "c": torch.eye(2).T}, {"loss": 0.25})
    found = read_tensors(path)
    assert {name: t.tolist() for name, t in found.items()} == {
        "a": [0, 1, 2],
        "b": [0, 1, 2],
        "c": [[1, 0], [0, 1]],
    }
    assert read_facts(path) == {"loss": 0.25}


def test_missing_and_damaged_tensors_have_no_facts(store: Store) -> None:
    path = store.checkpoint_path(STAGE, 20)
    assert read_facts(path) is None
    for read in (read_facts, read_tensors):
        store.write_tensors(path, {"a": torch.zeros(100)}, {})
        path.write_bytes(path.read_bytes()[:-1])
        if read is read_facts:
            assert read(path) is None
        else:
            with pytest.raises(StorageError, match=f"^{path}: lost or damaged; "):
                read(path)
        assert not path.exists()


def test_only_checkpoints_outlast_their_stage(store: Store) -> None:
    dropped = [store.kernel_path(STAGE, 0), store.unfinished_path(STAGE, 0)]
    kept = store.checkpoint_path(STAGE, 0)
    for path in (*dropped, kept):
        store.write_tensors(path, {"H": torch.eye(2)}, {})
    for _ in range(2):
        store.drop_unfinished(STAGE)
        assert kept.exists()
        assert not any(path.parent.exists() for path in dropped)


def test_a_record_that_was_changed_is_set_aside(store: Store) -> None:
    store.set_aside_damaged_record()
    store.save_record("{}\n")
    store.set_aside_damaged_record()
    assert store.record_path.exists()
    checksum = (store.folder / "record.sha256").read_text()
    assert checksum == f"{DIGEST}  record.json\n"
    store.record_path.write_text("[]\n")
    store.set_aside_damaged_record()
    assert [p.name for p in store.folder.glob("record.json*")] == ["record.json.damaged"]
    store.set_aside_damaged_record()


def test_a_record_of_another_spec_is_kept_under_its_own_name(store: Store) -> None:
    assert store.keep_other_record("a" * 64) is None
    text = f'{{"spec_hash": "{"a" * 64}"}}\n'
    store.save_record(text)
    assert store.keep_other_record("a" * 64) is None
    assert store.record_path.exists()
    kept = store.keep_other_record("b" * 64)
    assert kept == store.folder / "record-aaaaaaaa.json"
    assert kept.read_text() == text
    assert not store.record_path.exists()
    store.save_record(text)
    # Not a record: it is set aside, as one that was changed.
    store.record_path.write_text("[]")
    assert store.keep_other_record("b" * 64) is None
    assert (store.folder / "record.json.damaged").exists()


def test_an_older_layout_is_refused(store: Store) -> None:
    store.check_layout()
    (store.folder / "stages").mkdir(parents=True)
    with pytest.raises(StorageError) as caught:
        store.check_layout()
    assert str(caught.value) == (
        f"{store.folder}: got a run folder of layout 1, expected layout 2; "
        "choose another --run-dir, or remove the folder"
    )
    store.save_manifest({})
    store.check_layout()
    store.manifest_path.write_text("")
    store.check_layout()
    assert not store.manifest_path.exists()
    store.check_layout()


def test_what_an_ended_process_left_half_written_is_removed(store: Store) -> None:
    left = [
        store.folder / ".record.json.123.tmp",
        store.folder / "stages/.train-seed0-abc.json.123.tmp",
        store.folder / "checkpoints/train-seed0-abc/.00000020.safetensors.123.tmp",
        store.folder / "checkpoints/train-seed01-abc/.00000020.safetensors.123.tmp",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with store.locked("seed0"):
        assert [path.exists() for path in left] == [True, False, False, True]
    with store.locked("folder"):
        assert [path.exists() for path in left] == [False, False, False, True]


def test_a_lock_that_is_held_is_not_waited_for_unless_asked(store: Store) -> None:
    with (
        store.locked("seed0"),
        pytest.raises(StorageError, match=f"^{store.folder}: another process is at work on seed0$"),
        store.locked("seed0", wait=False),
    ):
        pass
    with (
        store.locked("folder"),
        pytest.raises(StorageError, match=f"^{store.folder}: another process is at work on it$"),
        store.locked("folder", wait=False),
    ):
        pass


WRITES: dict[str, Callable[[Store, int], None]] = {
    "manifest.json": lambda store, n: store.save_manifest({"stages": [n]}),
    "record": lambda store, n: store.save_record("x" * 10_000 * (n - 1)),
    "stages": lambda store, n: store.save_result(STAGE, StageResult(n, 1.0)),
    "failed": lambda store, n: store.save_failure(STAGE, str(n)),
    **{
        kind: lambda store, n, kind=kind: store.write_tensors(
            store.folder / kind / STAGE.file_stem / "00000004.safetensors",
            {"a": torch.full((500,), n)},
            {"n": n},
        )
        for kind in ("checkpoints", "kernels", "unfinished")
    },
}


@pytest.mark.parametrize("how", REASONS)
@pytest.mark.parametrize("name", WRITES)
def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, name: str, how: str) -> None:
    with mounted(tmp_path, "200k"):
        store = Store(tmp_path / "run")
        for write in WRITES.values():
            write(store, 1)
        before = {path: path.read_bytes() for path in store.folder.rglob("*.*")}
        break_disk(tmp_path, how)
        with pytest.raises(StorageError, match=f"^{store.folder}/{name}.*: .*{REASONS[how]}"):
            WRITES[name](store, 2)
        after = {path: path.read_bytes() for path in store.folder.rglob("*.*")}
        if name == "record":
            # Its checksum goes first, so that none stands next to another record.
            before.pop(store.folder / "record.sha256")
            after.pop(store.folder / "record.sha256", None)
        assert after == before


@pytest.mark.parametrize("how", REASONS)
def test_a_folder_that_cannot_be_written_cannot_be_locked(tmp_path: Path, how: str) -> None:
    store = Store(tmp_path / "run")
    # No more than the folder itself and the two above the lock.
    with mounted(tmp_path, "4k,nr_inodes=3"):
        if how == "read-only":
            break_disk(tmp_path, how)
        with (
            pytest.raises(StorageError, match=f"^{store.folder}/locks.*: {REASONS[how]}$"),
            store.locked("seed0"),
        ):
            pass
