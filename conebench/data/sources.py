"""Images of this package, from torchvision, archives, folders or the hub, as bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision import datasets as tv
from torchvision.transforms.v2 import functional as transforms

from conebench.data.archives import ARCHIVES, Labeled, list_archive
from conebench.data.hub import HubDataset
from conebench.data.image_files import read_rgb
from conebench.data.image_folder import PARTS, folder_facts, list_image_folder
from conebench.errors import DataMissingError, SpecError
from conebench.seeding import balanced_indices
from conebench.spec.datasets import Dataset, DatasetFacts
from conebench.text import first_line

Part = tuple[Tensor, Tensor]

# The test part of Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak, UCI,
# CC BY 4.0): 64 gray levels and the digit per line. scikit-learn has the same file, but takes a
# second to import.
DIGITS = Path(__file__).parent / "digits.csv.gz"
# They have no split of their own: every fifth image is a test image.
DIGITS_TEST_EVERY = 5


@dataclass(frozen=True)
class Source:
    """A dataset as it was read.

    Attributes:
        parts: Of `train` and `test`, pixels (uint8 [n, ch, h, w]) and labels (int64 [n]).
        classes: Names of the classes.
        notes: Lines for the user on what an image folder holds.

    """

    parts: dict[str, Part]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_images(dataset: Dataset, root: Path) -> Source:
    """Read the images that a spec asks for, at its image size.

    Raises:
        DataMissingError: The files are not there and cannot be downloaded.
        SpecError: The spec asks for more images than there are, or a folder is no dataset.
        StorageError: A folder cannot be read.

    """
    if dataset.name == "imagefolder":
        found = list_image_folder(root / str(dataset.folder))
        files = {part: found.labeled(part) for part in PARTS}
        return replace(_read_files(dataset, found.classes, files), notes=found.notes)
    if dataset.name in ARCHIVES:
        return _read_files(dataset, *list_archive(str(dataset.name), root))
    if dataset.name == "hf":
        hub = HubDataset(dataset)
        return _read_chosen(dataset, hub.classes, hub.labels, hub.pixels)
    source = _digits() if dataset.name == "digits" else _torchvision(str(dataset.name), root)
    parts = {}
    for part, (pixels, labels) in source.parts.items():
        chosen = _subset(dataset, part, labels, len(source.classes))
        parts[part] = (_resized(pixels[chosen], dataset.image_size), labels[chosen])
    return Source(parts, source.classes)


def source_facts(dataset: Dataset, root: Path) -> DatasetFacts:
    """Return the sizes of a dataset that only its files tell.

    Errors are those of `read_images`.
    """
    if dataset.name != "hf":
        return folder_facts(dataset, root)
    hub = HubDataset(dataset)
    train, test = (len(hub.labels[part]) for part in PARTS)
    return DatasetFacts(len(hub.classes), dataset.facts.channels, None, train, test)


def _subset(dataset: Dataset, part: str, labels: Tensor, classes: int) -> Tensor:
    """Return the indices of the images that the spec asks for."""
    size = {"train": dataset.train_size, "test": dataset.test_size}[part]
    if size is None:
        return torch.arange(len(labels))
    if size > len(labels):
        raise SpecError(f"got {size}, expected at most {len(labels)}", field=f"dataset.{part}_size")
    return balanced_indices(labels, classes, size, dataset.subset_seed, "subset")


def _resized(pixels: Tensor, size: int | None) -> Tensor:
    if size is None or pixels.shape[-2:] == (size, size):
        return pixels
    # In chunks, as resizing needs floating-point copies.
    chunks = [transforms.resize(c, [size, size], antialias=True) for c in torch.split(pixels, 1024)]
    return torch.cat(chunks)


def _digits() -> Source:
    table = np.loadtxt(DIGITS, delimiter=",")
    # Gray levels 0 to 16 become 0 to 255.
    levels = np.rint(table[:, :-1] * (255 / 16)).astype(np.uint8)
    pixels = torch.from_numpy(levels).reshape(-1, 1, 8, 8)
    labels = torch.from_numpy(table[:, -1].astype(np.int64))
    is_test = torch.arange(len(labels)) % DIGITS_TEST_EVERY == 0
    parts = {
        "train": (pixels[~is_test], labels[~is_test]),
        "test": (pixels[is_test], labels[is_test]),
    }
    return Source(parts, tuple("0123456789"))


TORCHVISION: dict[str, tuple[Callable[..., object], str]] = {
    "mnist": (tv.MNIST, "MNIST/raw/*-ubyte"),
    "emnist_balanced": (tv.EMNIST, "EMNIST/raw/*-ubyte"),
    "fashion_mnist": (tv.FashionMNIST, "FashionMNIST/raw/*-ubyte"),
    "cifar10": (tv.CIFAR10, "cifar-10-batches-py/"),
    "cifar100": (tv.CIFAR100, "cifar-100-python/"),
    "svhn": (tv.SVHN, "train_32x32.mat and test_32x32.mat"),
}


def _torchvision(name: str, root: Path) -> Source:
    parts = {part: _torchvision_part(name, root, part) for part in ("train", "test")}
    count = 1 + max(int(labels.max()) for _, labels in parts.values())
    return Source(parts, tuple(map(str, range(count))))


def _torchvision_part(name: str, root: Path, part: str) -> Part:
    factory, files = TORCHVISION[name]
    choice: dict[str, object] = {"split": part} if name == "svhn" else {"train": part == "train"}
    if name == "emnist_balanced":
        choice["split"] = "balanced"
    try:
        found = factory(root=str(root), download=False, **choice)
    except Exception:  # noqa: BLE001  # a broken file may raise anything
        found = _downloaded(name, root, factory, choice, files)
    return _as_tensors(found)


def _downloaded(
    name: str, root: Path, factory: Callable[..., object], choice: dict[str, object], files: str
) -> object:
    try:
        root.mkdir(parents=True, exist_ok=True)
        return factory(root=str(root), download=True, **choice)
    except Exception as error:  # noqa: BLE001  # URL, HTTP, checksum and file errors alike
        raise DataMissingError(
            f"dataset {name!r} is missing or broken in {root} and cannot be downloaded "
            f"({first_line(error)}); "
            f"put {files} of torchvision's {name} there, or choose --data-root or CONEBENCH_DATA"
        ) from None


def _as_tensors(found: object) -> Part:
    pixels = torch.as_tensor(found.data)  # type: ignore[attr-defined]
    labels = found.labels if isinstance(found, tv.SVHN) else found.targets  # type: ignore[attr-defined]
    # To [n, ch, h, w]: MNIST has no channels, CIFAR has them last.
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif pixels.shape[-1] == 3:
        pixels = pixels.permute(0, 3, 1, 2)
    return pixels.contiguous(), torch.as_tensor(labels, dtype=torch.int64)


def _read_files(dataset: Dataset, classes: tuple[str, ...], files: Labeled) -> Source:
    size = int(dataset.image_size or 0)
    labels = {part: [label for _, label in labeled] for part, labeled in files.items()}
    return _read_chosen(
        dataset, classes, labels, lambda part, i: read_rgb(Path(files[part][i][0]), size)
    )


def _read_chosen(
    dataset: Dataset,
    classes: tuple[str, ...],
    labels_of: Mapping[str, npt.ArrayLike],
    read: Callable[[str, int], npt.NDArray[np.uint8]],
) -> Source:
    """Read the images of the subsets only: a dataset may be far larger than memory."""
    parts = {}
    for part in PARTS:
        labels = torch.as_tensor(np.asarray(labels_of[part], dtype=np.int64))
        chosen = _subset(dataset, part, labels, len(classes))
        pixels = [torch.from_numpy(read(part, i)).permute(2, 0, 1) for i in chosen.tolist()]
        parts[part] = (torch.stack(pixels), labels[chosen])
    return Source(parts, classes)
