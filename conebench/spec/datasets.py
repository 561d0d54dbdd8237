"""Sizes of the datasets, known before any image is read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetFacts:
    """Sizes of a dataset; None where they depend on the files."""

    classes: int | None
    channels: int
    image_size: int | None
    train_images: int | None
    test_images: int | None


DATASETS = {
    "digits": DatasetFacts(10, 1, 8, 1437, 360),
    "mnist": DatasetFacts(10, 1, 28, 60_000, 10_000),
    "fashion_mnist": DatasetFacts(10, 1, 28, 60_000, 10_000),
    "cifar10": DatasetFacts(10, 3, 32, 50_000, 10_000),
    "cifar100": DatasetFacts(100, 3, 32, 50_000, 10_000),
    "svhn": DatasetFacts(10, 3, 32, 73_257, 26_032),
    "imagefolder": DatasetFacts(None, 3, None, None, None),
}
