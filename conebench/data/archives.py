"""Datasets that are archives of image files: CINIC-10 and Tiny ImageNet."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torchvision.datasets.utils import download_and_extract_archive

from conebench.data.image_folder import SUFFIXES
from conebench.errors import DataMissingError
from conebench.spec.datasets import DATASETS
from conebench.text import first_line

# Paths with their labels, by part.
Labeled = dict[str, list[tuple[str, int]]]


@dataclass(frozen=True)
class Archive:
    """An archive, and where its images are.

    Attributes:
        url: Its address.
        md5: Its MD5.
        folder: Folder under the data root.
        inside: Folder in the archive that becomes this folder.

    """

    url: str
    md5: str
    folder: str
    inside: str


ARCHIVES = {
    "cinic10": Archive(
        "https://datashare.ed.ac.uk/bitstream/handle/10283/3192/CINIC-10.tar.gz",
        "6ee4d0c996905fe93221de577967a372",
        "CINIC-10",
        ".",
    ),
    "tiny_imagenet": Archive(
        "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        "90528d7ca1a48142e341f4ef8d21d0de",
        "tiny-imagenet-200",
        "tiny-imagenet-200",
    ),
}


def list_archive(name: str, root: Path) -> tuple[tuple[str, ...], Labeled]:
    """Return the classes of a dataset and the files of each part, in a fixed order.

    Its archive is downloaded and unpacked if the folder is not there. Labels of test images of Tiny
    ImageNet are not public, so its validation images are the test images. Validation images of
    CINIC-10 are left out.

    Raises:
        DataMissingError: The folder is not whole, or the archive cannot be downloaded.

    """
    folder = root / ARCHIVES[name].folder
    if not folder.is_dir():
        _unpack(name, root)
    train = folder / "train"
    classes = tuple(sorted(path.name for path in train.iterdir())) if train.is_dir() else ()
    test = _annotated(folder / "val", classes) if name == "tiny_imagenet" else None
    parts = {
        "train": list(_by_class(train, classes)),
        "test": list(_by_class(folder / "test", classes) if test is None else test),
    }
    facts = DATASETS[name]
    for part, expected in (("train", facts.train_images), ("test", facts.test_images)):
        if len(parts[part]) != expected or len(classes) != facts.classes:
            raise DataMissingError(
                f"{folder}: got {len(parts[part]):,} {part} images of {len(classes)} classes, "
                f"expected {expected:,} of {facts.classes}; remove the folder to unpack "
                f"{_file(name)} again"
            )
    return classes, parts


def _by_class(folder: Path, classes: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    for label, name in enumerate(classes):
        for path in sorted((folder / name).rglob("*")):
            if path.suffix.lower() in SUFFIXES:
                yield str(path), label


def _annotated(folder: Path, classes: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Yield images in the order of the file that holds their classes."""
    file = folder / "val_annotations.txt"
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        image, name, *_ = line.split("\t")
        if name in classes and (folder / "images" / image).is_file():
            yield str(folder / "images" / image), classes.index(name)


def _file(name: str) -> str:
    return ARCHIVES[name].url.rpartition("/")[2]


def _unpack(name: str, root: Path) -> None:
    """Download an archive, unless it is there, and unpack it."""
    archive = ARCHIVES[name]
    aside = root / f"{archive.folder}.unpacking"
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        download_and_extract_archive(
            archive.url, str(root), str(aside), filename=_file(name), md5=archive.md5
        )
        # Renamed at the end, so that the folder is whole or absent.
        (aside / archive.inside).rename(root / archive.folder)
    except Exception as error:  # noqa: BLE001  # URL, HTTP, checksum and file errors alike
        raise DataMissingError(
            f"dataset {name!r} is not in {root} and cannot be downloaded ({first_line(error)}); "
            f"put {archive.url} there, or choose --data-root or CONEBENCH_DATA"
        ) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
