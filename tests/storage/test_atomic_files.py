"""conebench.storage.atomic_files: whole files or none, and any flipped bit or cut found."""

import os
from io import BytesIO
from pathlib import Path

import pytest
import torch

from conebench.errors import StorageError
from conebench.storage.atomic_files import is_whole, read_json, seal, whole_file, write_json
from conebench.storage.store import StageKey, Store, read_tensors


def test_json_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    assert read_json(path) is None
    write_json(path, {"a": [1.5, None], "text": 'a "checksum": "\u00e9"'})
    assert read_json(path) == {"a": [1.5, None], "text": 'a "checksum": "\u00e9"'}


def test_every_flipped_bit_and_every_cut_is_found(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"value": 0.1})
    store = Store(tmp_path)
    tensors = store.checkpoint_path(StageKey("train", {}), 1)
    store.write_tensors(tensors, {"w": torch.ones(2)}, {"loss": 0.5})
    for path in (tmp_path / "a.json", tensors):
        content = path.read_bytes()
        assert is_whole(BytesIO(content))
        for bit in range(8 * len(content)):
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            assert not is_whole(BytesIO(flipped)), bit
        assert not any(is_whole(BytesIO(content[:length])) for length in range(len(content)))
        assert not is_whole(BytesIO(content + b" "))


def test_a_flip_far_behind_the_checksum_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.checkpoint_path(StageKey("train", {}), 1)
    store.write_tensors(path, {"w": torch.arange(1_000_000.0)}, {})
    assert read_tensors(path)["w"][-1] == 999_999
    flipped = bytearray(path.read_bytes())
    flipped[-1] ^= 1
    assert not is_whole(BytesIO(flipped))


def test_a_file_without_a_place_for_its_checksum_is_not_sealed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(ValueError, match="has no place for its checksum"):
        seal(tmp_path / "a.json")


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
    with pytest.raises(StorageError, match=r"Not a directory|File exists"):
        write_json(tmp_path / "file" / "a.json", {})
