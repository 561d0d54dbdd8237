"""conebench.store: whole files or none, results found by the hash of their inputs."""

import hashlib
from pathlib import Path

import pytest
import torch

from conebench.errors import StorageError
from conebench.store import Stage, StageResult, Store, read_facts, read_tensors

DIGEST = hashlib.sha256(b"{}\n").hexdigest()
STAGE = Stage("train-seed0", {"lr": 0.1})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "run")


def test_a_result_is_found_by_its_inputs(store: Store) -> None:
    assert store.result(STAGE) is None
    store.save_result(STAGE, StageResult({"a": [1.5, None]}, 2.0))
    assert store.result(STAGE) == StageResult({"a": [1.5, None]}, 2.0)
    assert store.result(Stage("train-seed0", {"lr": 0.2})) is None
    assert store.result(Stage("train-seed1", {"lr": 0.1})) is None


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
    assert caplog.messages == [f"{path}: damaged; set aside as {aside.name} and made anew"]
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


def test_kernels_can_be_dropped(store: Store) -> None:
    path = store.kernel_path(STAGE, 0)
    store.write_tensors(path, {"H": torch.eye(2)}, {})
    store.drop_kernels(STAGE)
    store.drop_kernels(STAGE)
    assert not path.parent.exists()


def test_a_record_that_was_changed_is_set_aside(store: Store) -> None:
    store.check_record()
    store.save_record("{}\n")
    store.check_record()
    assert store.record_path.exists()
    checksum = (store.folder / "record.sha256").read_text()
    assert checksum == f"{DIGEST}  record.json\n"
    store.record_path.write_text("[]\n")
    store.check_record()
    assert [p.name for p in store.folder.glob("record.json*")] == ["record.json.damaged"]
    store.check_record()


def test_an_older_layout_is_refused(store: Store) -> None:
    store.check_layout()
    (store.folder / "stages").mkdir(parents=True)
    with pytest.raises(StorageError) as caught:
        store.check_layout()
    assert str(caught.value) == (
        f"{store.folder}: came a run directory of layout 1, allowed is this conebench's, 2; "
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
