"""Datasets on a device, and the minibatches drawn from them."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from conebench.data.augmentation import augmented, mixed
from conebench.data.sources import read_images
from conebench.errors import SpecError
from conebench.seeding import Purpose, balanced_indices, counter_generator
from conebench.spec.datasets import Augmentation, ChannelStatistics, Dataset, batches_per_epoch


@lru_cache(maxsize=2)
def _epoch_order(images: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(images, generator=counter_generator(seed, "order", epoch))


@dataclass(frozen=True)
class Images:
    """Images as bytes, with their labels."""

    pixels: UInt8[Tensor, "n ch h w"]
    labels: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor) -> "Images":
        return Images(self.pixels[index], self.labels[index])

    def to(self, device: torch.device) -> "Images":
        """Copy the images to a device."""
        return Images(self.pixels.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Data:
    """One dataset on one device.

    Attributes:
        validation: Images held out of the training images, for choices between arms.
        mean: What `normalize` subtracts from each channel, of pixels from 0 to 1.
        std: What `normalize` divides each channel by.
        augmentation: Random changes of training images.
        hash: SHA-256 of all pixels and labels.
        notes: Lines for the user on what an image folder holds.

    """

    train: Images
    validation: Images | None
    test: Images
    classes: tuple[str, ...]
    mean: Float[Tensor, "ch 1 1"]
    std: Float[Tensor, "ch 1 1"]
    augmentation: Augmentation
    hash: str
    notes: tuple[str, ...] = ()

    def normalize(self, pixels: UInt8[Tensor, "n ch h w"]) -> Float[Tensor, "n ch h w"]:
        """Return (pixels / 255 - mean) / std in float32."""
        return (pixels.to(torch.float32) / 255 - self.mean) / self.std

    def batch(
        self, seed: int, step: int, size: int, *, augment: bool = True, keep_last: bool = False
    ) -> tuple[Float[Tensor, "b ch h w"], Int[Tensor, " b"] | Float[Tensor, "b c"]]:
        """Return the normalized images and labels of one training step.

        It depends on the seed and the step alone. Each epoch is one permutation of the training
        images. With mixup, labels are shares of each class.

        Args:
            seed: The run's seed.
            step: The update is the one from `step` to `step + 1`.
            size: Number of images.
            augment: Change images as the dataset says.
            keep_last: Keep the last batch of an epoch if it is shorter.

        """
        per_epoch = batches_per_epoch(len(self.train), size, keep_last=keep_last)
        epoch, position = divmod(step, per_epoch)
        # [images]; the last slice of an epoch may be shorter than `size`.
        order = _epoch_order(len(self.train), seed, epoch)
        index = order[position * size : (position + 1) * size].to(self.train.labels.device)
        images = self.train[index]
        choice = self.augmentation
        if not (augment and choice.names):
            return self.normalize(images.pixels), images.labels
        draw = counter_generator(seed, "augment", step)
        x = self.normalize(augmented(images.pixels, choice, draw))
        if choice.mixup is None:
            return x, images.labels
        return mixed(x, images.labels, len(self.classes), choice.mixup, draw)

    def test_subset(self, count: int, seed: int) -> Images:
        """Return `count` class-balanced test images, or all if there are no more."""
        if count >= len(self.test):
            return self.test
        index = balanced_indices(self.test.labels, len(self.classes), count, seed, "curve")
        return self.test[index.to(self.test.labels.device)]

    def balanced_subset(self, count: int, seed: int, purpose: Purpose) -> Images:
        """Return `count` class-balanced training images, not augmented.

        Classes differ by at most one image, unless one runs out.
        """
        index = balanced_indices(self.train.labels, len(self.classes), count, seed, purpose)
        return self.train[index.to(self.train.labels.device)]


def load_data(dataset: Dataset, root: Path, device: torch.device) -> Data:
    """Read the images that a spec asks for, and copy them to a device.

    Args:
        dataset: The spec's dataset section.
        root: Folder that holds all datasets.
        device: Where training runs.

    Raises:
        DataMissingError: The files are not there and cannot be downloaded.
        SpecError: The spec asks for more images than there are, or a folder is no dataset.
        StorageError: A folder cannot be read.

    """
    source = read_images(dataset, root)
    parts = {part: Images(*source.parts[part]) for part in ("train", "test")}
    if dataset.validation_size is not None:
        parts |= _held_out(parts["train"], dataset, len(source.classes))
    if dataset.random_labels is not None:
        parts["train"] = _with_random_labels(
            parts["train"], dataset.random_labels, dataset.subset_seed
        )
    mean, std = _statistics(dataset, parts["train"].pixels)
    on_device = {part: images.to(device) for part, images in parts.items()}
    return Data(
        train=on_device["train"],
        validation=on_device.get("validation"),
        test=on_device["test"],
        classes=source.classes,
        mean=mean.to(device),
        std=std.to(device),
        augmentation=dataset.augmentation,
        hash=_content_hash(parts),
        notes=source.notes,
    )


def _held_out(train: Images, dataset: Dataset, classes: int) -> dict[str, Images]:
    """Hold out a class-balanced part of the training images."""
    count = int(dataset.validation_size or 0)
    if count >= len(train):
        raise SpecError(
            f"got {count}, expected fewer than the {len(train)} training images",
            field="dataset.validation_size",
        )
    chosen = balanced_indices(train.labels, classes, count, dataset.subset_seed, "validation")
    others = torch.ones(len(train), dtype=torch.bool)
    others[chosen] = False
    return {"train": train[others], "validation": train[chosen]}


def _with_random_labels(train: Images, share: float, seed: int) -> Images:
    """Shuffle the labels of a share of the images among these images.

    Each class keeps its number of images. Source: Zhang et al. 2017, arXiv 1611.03530, which draws
    the labels independently instead.
    """
    draw = counter_generator(seed, "labels")
    chosen = torch.randperm(len(train), generator=draw)[: round(share * len(train))]
    labels = train.labels.clone()
    labels[chosen] = labels[chosen[torch.randperm(len(chosen), generator=draw)]]
    return Images(train.pixels, labels)


def _statistics(dataset: Dataset, pixels: Tensor) -> tuple[Tensor, Tensor]:
    channels = pixels.shape[1]
    if isinstance(dataset.normalization, ChannelStatistics):
        mean = torch.tensor(dataset.normalization.mean, dtype=torch.float32)
        std = torch.tensor(dataset.normalization.std, dtype=torch.float32)
    elif dataset.normalization == "none":
        mean, std = torch.zeros(channels), torch.ones(channels)
    else:
        flat = pixels.transpose(0, 1).reshape(channels, -1)
        # Counts of the 256 values are exact, and need no float copy of all images.
        # [ch, 256]
        counts = torch.stack([torch.bincount(row, minlength=256) for row in flat]).double()
        levels = torch.arange(256, dtype=torch.float64) / 255
        shares = counts / counts.sum(1, keepdim=True)
        # [ch]
        exact_mean = shares @ levels
        variance = (shares * (levels - exact_mean[:, None]) ** 2).sum(1)
        # A channel that never varies must not be divided by 0.
        mean, std = exact_mean.float(), variance.sqrt().clamp_min(1e-3).float()
    return mean[:, None, None], std[:, None, None]


def _content_hash(parts: dict[str, Images]) -> str:
    digest = hashlib.sha256()
    # Records hold this hash, so order and text must stay as they are.
    for part in sorted(parts, key=["train", "test", "validation"].index):
        images = parts[part]
        digest.update(f"{part} {tuple(images.pixels.shape)}".encode())
        digest.update(images.pixels.contiguous().numpy().tobytes())
        digest.update(images.labels.to(torch.int64).numpy().tobytes())
    return digest.hexdigest()
