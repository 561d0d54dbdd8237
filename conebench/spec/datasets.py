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


def batches_per_epoch(images: int, batch_size: int, *, keep_last: bool) -> int:
    """Return the number of batches in one pass through the images, at least 1.

    Example:
        >>> batches_per_epoch(50_000, 128, keep_last=False)
        390
        >>> batches_per_epoch(50_000, 128, keep_last=True)
        391

    """
    whole, left = divmod(images, batch_size)
    return max(1, whole + (keep_last and left > 0))
