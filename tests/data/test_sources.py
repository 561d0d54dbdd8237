"""conebench.data.sources on small files in the layouts that torchvision reads."""

import gzip
import pickle
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets as tv

from conebench.data.sources import read_images
from conebench.errors import DataMissingError, SpecError
from conebench.seeding import balanced_indices
from conebench.spec.datasets import Dataset


def _folder_of_images(root: Path, count: int = 3) -> Dataset:
    for part in ("train", "test"):
        for index, name in enumerate(("cat", "dog")):
            folder = root / "pets" / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = np.full((6, 6, 3), 40 * index + i, dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return Dataset(name="imagefolder", folder="pets", image_size=6)


def test_a_folder_of_images(tmp_path: Path) -> None:
    source = read_images(_folder_of_images(tmp_path), tmp_path)
    pixels, labels = source.parts["train"]
    assert source.classes == ("cat", "dog")
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 40, 41, 42]
    assert pixels.shape == (6, 3, 6, 6)


def test_images_of_a_folder_are_brought_to_the_size_of_the_spec(tmp_path: Path) -> None:
    dataset = _folder_of_images(tmp_path).model_copy(update={"image_size": 4})
    assert read_images(dataset, tmp_path).parts["test"][0].shape == (6, 3, 4, 4)


def test_only_the_images_of_a_subset_are_read(tmp_path: Path) -> None:
    dataset = _folder_of_images(tmp_path).model_copy(update={"train_size": 2})
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    chosen = balanced_indices(labels, 2, 2, dataset.subset_seed, "subset").tolist()
    for i in set(range(6)) - set(chosen):
        (tmp_path / "pets/train" / ("cat", "dog")[i // 3] / f"{i % 3}.png").write_bytes(b"broken")
    pixels, found = read_images(dataset, tmp_path).parts["train"]
    assert pixels[:, 0, 0, 0].tolist() == [40 * (i // 3) + i % 3 for i in chosen]
    assert found.tolist() == [0, 1]


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    dataset = _folder_of_images(tmp_path)
    broken = tmp_path / "pets" / "train" / "dog" / "1.png"
    broken.write_bytes(b"<html>not found</html>")
    with pytest.raises(SpecError, match=f"^{broken}: cannot be read as an image: "):
        read_images(dataset, tmp_path)


def test_notes_on_a_folder_are_handed_on(tmp_path: Path) -> None:
    dataset = _folder_of_images(tmp_path)
    assert read_images(dataset, tmp_path).notes == ()
    (tmp_path / "pets" / "train" / "dog" / "1.png").unlink()
    assert read_images(dataset, tmp_path).notes == ("train images by class: cat 3, dog 2",)


def test_more_images_than_a_folder_has_are_refused(tmp_path: Path) -> None:
    dataset = _folder_of_images(tmp_path).model_copy(update={"test_size": 7})
    with pytest.raises(SpecError) as caught:
        read_images(dataset, tmp_path)
    assert str(caught.value) == "dataset.test_size: got 7, expected at most 6"


def _idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def _write_mnist(root: Path, folder: str) -> None:
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    for prefix, count in (("train", 20), ("t10k", 10)):
        images = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28))
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(_idx(images))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(_idx(np.arange(count) % 10))


def _write_cifar(root: Path, monkeypatch: pytest.MonkeyPatch, *, fine: bool) -> None:
    factory = tv.CIFAR100 if fine else tv.CIFAR10
    folder = root / factory.base_folder
    folder.mkdir(parents=True)
    classes = 100 if fine else 10
    for files, count in ((factory.train_list, 200), (factory.test_list, 100)):
        for name, _ in files:
            pixels = np.zeros((count, 3, 32, 32), dtype=np.uint8)
            pixels[:, 1] = 7
            batch = {
                "data": pixels.reshape(count, -1),
                "fine_labels" if fine else "labels": [i % classes for i in range(count)],
            }
            (folder / name).write_bytes(pickle.dumps(batch))
    meta = {factory.meta["key"]: [str(i) for i in range(classes)]}
    (folder / factory.meta["filename"]).write_bytes(pickle.dumps(meta))
    # The small files have other checksums than the real ones.
    monkeypatch.setattr(factory, "_check_integrity", lambda _: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)


def _write_svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat

    for part, count in (("train", 20), ("test", 10)):
        pixels = np.zeros((32, 32, 3, count), dtype=np.uint8)
        pixels[:, :, 1] = 7
        # SVHN writes the digit 0 as class 10.
        labels = (np.arange(count) % 10 + 1).astype(np.uint8)[:, None]
        savemat(root / f"{part}_32x32.mat", {"X": pixels, "y": labels})
    monkeypatch.setattr(tv.SVHN, "_check_integrity", lambda _: True)


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")]
)
def test_grey_datasets_of_torchvision(tmp_path: Path, name: str, folder: str) -> None:
    _write_mnist(tmp_path, folder)
    source = read_images(Dataset(name=name, image_size=28), tmp_path)
    pixels, labels = source.parts["train"]
    assert pixels.shape == (20, 1, 28, 28)
    assert pixels[:, 0, 3, 3].tolist() == list(range(20))
    assert labels.tolist() == [i % 10 for i in range(20)]
    assert len(source.classes) == 10


def test_emnist_is_the_balanced_split_as_torchvision_has_it(tmp_path: Path) -> None:
    raw = tmp_path / "EMNIST/raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 94), ("test", 47)):
        images = np.arange(28, dtype=np.uint8) * np.ones((count, 28, 1))
        (raw / f"emnist-balanced-{part}-images-idx3-ubyte").write_bytes(_idx(images))
        labels = np.arange(count) % 47
        (raw / f"emnist-balanced-{part}-labels-idx1-ubyte").write_bytes(_idx(labels))
    source = read_images(Dataset(name="emnist_balanced", image_size=28), tmp_path)
    pixels, labels = source.parts["train"]
    assert pixels.shape == (94, 1, 28, 28)
    assert pixels[5, 0, 3].tolist() == list(range(28))
    assert (len(source.classes), int(labels.max())) == (47, 46)


@pytest.mark.parametrize(
    ("name", "train", "classes"), [("cifar10", 1000, 10), ("cifar100", 200, 100), ("svhn", 20, 10)]
)
def test_color_datasets_of_torchvision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, train: int, classes: int
) -> None:
    if name == "svhn":
        _write_svhn(tmp_path, monkeypatch)
    else:
        _write_cifar(tmp_path, monkeypatch, fine=name == "cifar100")
    source = read_images(Dataset(name=name, image_size=32), tmp_path)
    pixels, labels = source.parts["train"]
    assert pixels.shape == (train, 3, 32, 32)
    assert pixels.dtype == torch.uint8
    assert pixels.float().mean((0, 2, 3)).tolist() == [0, 7, 0]
    assert len(source.classes) == classes
    assert sorted(set(labels.tolist())) == list(range(classes))


@pytest.mark.parametrize(
    "name", ["mnist", "fashion_mnist", "emnist_balanced", "cifar10", "cifar100", "svhn"]
)
def test_without_a_network_a_missing_dataset_says_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DataMissingError) as caught:
        read_images(Dataset(name=name, image_size=32), tmp_path)
    message = str(caught.value)
    assert message.startswith(
        f"dataset {name!r} is missing or broken in {tmp_path} and cannot be downloaded ("
    )
    assert f"of torchvision's {name} there, or choose --data-root or CONEBENCH_DATA" in message
    assert "\n" not in message


def test_a_broken_download_does_not_pass_for_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_mnist(tmp_path, "MNIST")
    (tmp_path / "MNIST/raw/train-images-idx3-ubyte").write_bytes(gzip.compress(b"<html>"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DataMissingError):
        read_images(Dataset(name="mnist", image_size=28), tmp_path)
