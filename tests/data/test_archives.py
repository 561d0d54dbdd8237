"""conebench.data.archives on small archives in the layouts of the real ones."""

import hashlib
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conebench.data import archives
from conebench.data.sources import read_images
from conebench.errors import DataMissingError
from conebench.spec.datasets import DATASETS, Dataset

SUFFIXES = (".png", ".JPEG")
CLASSES = {"cinic10": ("cat", "dog"), "tiny_imagenet": ("n01", "n02")}


def save(path: Path, level: int, side: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((side, side, 3), level, dtype=np.uint8)).save(path)


def write_cinic10(folder: Path) -> None:
    for part, start in (("train", 0), ("valid", 100), ("test", 200)):
        for label, name in enumerate(CLASSES["cinic10"]):
            for i in range(2):
                save(folder / part / name / f"x{i}.png", start + 10 * label + i, 32)
    (folder / "README.md").write_text("About it.")


def write_tiny_imagenet(folder: Path) -> None:
    for label, name in enumerate(CLASSES["tiny_imagenet"]):
        for i in range(2):
            save(folder / "train" / name / "images" / f"{name}_{i}.JPEG", 10 * label + i, 64)
        (folder / "train" / name / f"{name}_boxes.txt").write_text("0 0 9 9")
    # Against the order of classes.
    for i, name in enumerate(("n02", "n02", "n01", "n01")):
        save(folder / f"val/images/val_{i}.JPEG", 200 + i, 64)
        with (folder / "val/val_annotations.txt").open("a") as file:
            file.write(f"val_{i}.JPEG\t{name}\t0\t0\t9\t9\n")
    # Without labels, as there.
    save(folder / "unlabeled/test_0.JPEG", 255, 64)


@pytest.fixture(params=["cinic10", "tiny_imagenet"])
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A dataset of four images in two classes in each part."""
    small = replace(DATASETS[request.param], classes=2, train_images=4, test_images=4)
    monkeypatch.setattr(archives, "DATASETS", {request.param: small})
    return str(request.param)


def write(name: str, folder: Path) -> None:
    (write_cinic10 if name == "cinic10" else write_tiny_imagenet)(folder)


def dataset_of(name: str) -> Dataset:
    return Dataset(name=name, image_size=DATASETS[name].image_size)


def levels(name: str, root: Path) -> tuple[list[int], list[int], list[int]]:
    """Training pixels, test pixels and test labels."""
    source = read_images(dataset_of(name), root)
    assert source.classes == CLASSES[name]
    (train, labels), (test, test_labels) = source.parts["train"], source.parts["test"]
    assert labels.tolist() == [0, 0, 1, 1]
    side = DATASETS[name].image_size
    assert train.shape == (4, 3, side, side)
    return train[:, 0, 0, 0].tolist(), test[:, 0, 0, 0].tolist(), test_labels.tolist()


EXPECTED = {
    "cinic10": ([0, 1, 10, 11], [200, 201, 210, 211], [0, 0, 1, 1]),
    "tiny_imagenet": ([0, 1, 10, 11], [200, 201, 202, 203], [1, 1, 0, 0]),
}


def test_sizes_are_those_of_the_papers() -> None:
    # Darlow et al. 2018; Stanford's CS231n; Cohen et al. 2017.
    assert [
        (found.classes, found.image_size, found.train_images, found.test_images)
        for found in map(DATASETS.__getitem__, ("cinic10", "tiny_imagenet", "emnist_balanced"))
    ] == [(10, 32, 90_000, 90_000), (200, 64, 100_000, 10_000), (47, 28, 112_800, 18_800)]


def test_an_unpacked_archive_is_read(name: str, tmp_path: Path) -> None:
    write(name, tmp_path / archives.ARCHIVES[name].folder)
    assert levels(name, tmp_path) == EXPECTED[name]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Address of a server on this machine, of the folder `far`."""
    (tmp_path / "far").mkdir()
    handler = partial(Quiet, directory=tmp_path / "far")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_archive_is_downloaded_and_unpacked(
    name: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = archives.ARCHIVES[name]
    write(name, tmp_path / "made" / known.inside)
    kind = "gztar" if known.url.endswith(".tar.gz") else "zip"
    made = Path(shutil.make_archive(str(tmp_path / "far/archive"), kind, tmp_path / "made"))
    md5 = hashlib.md5(made.read_bytes(), usedforsecurity=False).hexdigest()
    archive = replace(known, url=f"{address}/{made.name}", md5=md5)
    monkeypatch.setattr(archives, "ARCHIVES", {name: archive})
    assert levels(name, tmp_path / "root") == EXPECTED[name]
    # The second time, the address is not asked.
    made.unlink()
    assert levels(name, tmp_path / "root") == EXPECTED[name]
    assert not list((tmp_path / "root").glob("*.unpacking"))


def test_another_archive_is_refused(
    name: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "far/other.zip").write_bytes(b"something else")
    archive = replace(archives.ARCHIVES[name], url=f"{address}/other.zip")
    monkeypatch.setattr(archives, "ARCHIVES", {name: archive})
    with pytest.raises(
        DataMissingError, match=r"cannot be downloaded .File not found or corrupted"
    ):
        read_images(dataset_of(name), tmp_path / "root")
    assert not (tmp_path / "root" / archive.folder).exists()


def test_a_folder_that_lacks_images_is_named(name: str, tmp_path: Path) -> None:
    folder = tmp_path / archives.ARCHIVES[name].folder
    write(name, folder)
    next(path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES).unlink()
    with pytest.raises(DataMissingError) as caught:
        read_images(dataset_of(name), tmp_path)
    file = archives.ARCHIVES[name].url.rpartition("/")[2]
    # The first file by name is a test image of CINIC-10, a training image of Tiny ImageNet.
    part = "test" if name == "cinic10" else "train"
    assert str(caught.value).startswith(f"{folder}: got 3 {part} images of 2 classes, expected 4 ")
    assert f"remove the folder to unpack {file} again" in str(caught.value)


def test_without_a_network_one_line_says_what_to_put_where(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DataMissingError) as caught:
        read_images(dataset_of(name), tmp_path / "root")
    message, url = str(caught.value), archives.ARCHIVES[name].url
    assert message.startswith(f"dataset {name!r} is not in {tmp_path}/root and cannot be ")
    assert f"put {url} there, or choose --data-root or CONEBENCH_DATA" in message
    assert "\n" not in message
