"""conebench.store: whole files or none, results found by the hash of their inputs."""

import os
from pathlib import Path

import pytest
import torch

from conebench.errors import StorageError
from conebench.store import Stage, StageResult, Store, read_facts, read_tensors, whole_file

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
def test_a_damaged_result_counts_as_missing(store: Store, text: str) -> None:
    store.save_result(STAGE, StageResult(1, 2.0))
    (path,) = (store.folder / "stages").iterdir()
    path.write_text(text)
    assert store.result(STAGE) is None


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


def test_facts_of_a_missing_or_cut_file_are_none(store: Store) -> None:
    path = store.checkpoint_path(STAGE, 20)
    assert read_facts(path) is None
    store.write_tensors(path, {"a": torch.zeros(100)}, {})
    path.write_bytes(path.read_bytes()[:50])
    assert read_facts(path) is None
    with pytest.raises(StorageError, match=f"^{path}: cannot be read: "):
        read_tensors(path)


def test_kernels_can_be_dropped(store: Store) -> None:
    path = store.kernel_path(STAGE, 0)
    store.write_tensors(path, {"H": torch.eye(2)}, {})
    store.drop_kernels(STAGE)
    store.drop_kernels(STAGE)
    assert not path.parent.exists()


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("old")

    def write_half() -> None:
        with whole_file(path) as temporary:
            temporary.write_text("ne")
            raise OSError(28, os.strerror(28))

    with pytest.raises(StorageError) as caught:
        write_half()
    assert str(caught.value) == f"{path}: No space left on device"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file")
    with pytest.raises(StorageError, match=r"Not a directory|File exists"):
        store.write_text(store.record_path, "x")
