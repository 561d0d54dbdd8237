"""Datasets: their sizes, known before any image is read, and their section of a spec."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from conebench.spec.section import FolderName, PositiveFloat, PositiveInt, Section, Seed


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
    "emnist_balanced": DatasetFacts(47, 1, 28, 112_800, 18_800),
    "cifar10": DatasetFacts(10, 3, 32, 50_000, 10_000),
    "cifar100": DatasetFacts(100, 3, 32, 50_000, 10_000),
    "svhn": DatasetFacts(10, 3, 32, 73_257, 26_032),
    "cinic10": DatasetFacts(10, 3, 32, 90_000, 90_000),
    "tiny_imagenet": DatasetFacts(200, 3, 64, 100_000, 10_000),
    "imagefolder": DatasetFacts(None, 3, None, None, None),
    "hf": DatasetFacts(None, 3, None, None, None),
}


RepoName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$"),
]
ColumnName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}$")]
Share = Annotated[float, Field(gt=0, le=1)]
AspectRatio = Annotated[float, Field(ge=0.01, le=100)]
Strength = Annotated[float, Field(ge=0, le=10)]


class ResizedCrop(Section):
    """A part of an image, resized to the whole (`RandomResizedCrop` of torchvision)."""

    area: tuple[Share, Share] = Field(
        default=(0.08, 1.0), description="Least and largest share of the image's area."
    )
    ratio: tuple[AspectRatio, AspectRatio] = Field(
        default=(0.75, 4 / 3), description="Least and largest width over height."
    )


class ColorJitter(Section):
    """Changes of color (`ColorJitter` of torchvision), in the order of these fields."""

    brightness: Strength = Field(default=0.0, description="b: factor from max(0, 1 - b) to 1 + b.")
    contrast: Strength = Field(default=0.0, description="c: factor from max(0, 1 - c) to 1 + c.")
    saturation: Strength = Field(default=0.0, description="s: factor from max(0, 1 - s) to 1 + s.")
    hue: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.0, description="h: turn of the hue by -h to h of the color circle."
    )


class Erasing(Section):
    """A box of zero pixels (`RandomErasing` of torchvision, or cutout)."""

    probability: Share = Field(default=0.5, description="Share of the images that get a box.")
    area: tuple[Share, Share] = Field(
        default=(0.02, 0.33), description="Least and largest share of the image's area."
    )
    ratio: tuple[AspectRatio, AspectRatio] = Field(
        default=(0.3, 3.3), description="Least and largest width over height."
    )


class Augmentation(Section):
    """Random changes of each training image, drawn at every step."""

    flip: bool = Field(default=False, description="Mirror left to right with probability 1/2.")
    crop_padding: int = Field(
        default=0, ge=0, le=64, description="Pad by this many zero pixels, then crop at random."
    )
    resized_crop: ResizedCrop | None = Field(
        default=None, description="Crop at random and resize, in place of crop_padding."
    )
    color_jitter: ColorJitter | None = Field(
        default=None, description="Change colors at random; default: not."
    )
    erasing: Erasing | None = Field(
        default=None, description="Erase a box at random; default: none."
    )
    mixup: Annotated[float, Field(ge=0.01, le=100)] | None = Field(
        default=None,
        description="alpha: mix images and labels in pairs, in a proportion from Beta(alpha, "
        "alpha).",
    )

    later = frozenset({"resized_crop", "color_jitter", "erasing", "mixup"})

    @property
    def names(self) -> list[str]:
        """Names of the changes that are on."""
        return [
            name
            for name, field in type(self).model_fields.items()
            if getattr(self, name) != field.default
        ]


class ChannelStatistics(Section):
    """Mean and standard deviation of each channel, in [0, 1] pixel units."""

    mean: tuple[float, ...] = Field(min_length=1, max_length=4, description="Per channel.")
    std: tuple[PositiveFloat, ...] = Field(min_length=1, max_length=4, description="Per channel.")


# Fields that only a dataset of the hub has.
OF_HUB = ("repo", "revision", "config", "image", "label", "test_split")


class Dataset(Section):
    """The images to train and test on, and how they are prepared."""

    name: Literal[tuple(DATASETS)] = Field(  # type: ignore[valid-type]  # one list of names
        description="The dataset."
    )
    folder: FolderName | None = Field(
        default=None,
        description="imagefolder only: folder under the data root, with train/ and test/.",
    )
    repo: RepoName | None = Field(
        default=None, description="hf only: dataset of the Hugging Face hub, as owner/name."
    )
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = Field(
        default=None, description="hf only: commit of the repository."
    )
    config: ColumnName | None = Field(
        default=None, description="hf only: configuration, if there are several."
    )
    image: ColumnName = Field(default="image", description="hf only: column of images.")
    label: ColumnName = Field(default="label", description="hf only: column of classes.")
    test_split: ColumnName = Field(
        default="test", description="hf only: split to test on; `train` is trained on."
    )
    image_size: PositiveInt | None = Field(
        default=None, le=1024, description="Side in pixels; default: the dataset's own."
    )
    train_size: PositiveInt | None = Field(
        default=None, description="Class-balanced subset of the training images; default: all."
    )
    test_size: PositiveInt | None = Field(
        default=None, description="Class-balanced subset of the test images; default: all."
    )
    validation_size: PositiveInt | None = Field(
        default=None,
        description="Class-balanced part of the training images, held out of training.",
    )
    random_labels: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="Share of the training images whose labels are shuffled."
    )
    subset_seed: Seed = Field(default=0, description="Draws the subsets, for all run seeds.")
    augmentation: Augmentation = Augmentation()
    normalization: Literal["train", "none"] | ChannelStatistics = Field(
        default="train",
        description="`train`: mean and deviation of each channel over the training images.",
    )

    later = frozenset({"validation_size", "random_labels", *OF_HUB})

    @property
    def facts(self) -> DatasetFacts:
        """Sizes of this dataset, known before it is read."""
        return DATASETS[self.name]

    @property
    def shown_name(self) -> str:
        """The data's name on the board; only records with the same one are compared.

        It is the name of the dataset, folder or repository, with the size of a training subset,
        the size of the validation split, an image size other than the dataset's own, and the share
        of random labels.
        """
        parts = [self.folder or str(self.name)]
        if self.repo is not None:
            config = "" if self.config is None else f" {self.config}"
            parts = [f"{self.repo}{config} at {str(self.revision)[:7]}"]
        if self.train_size is not None:
            parts.append(f"{self.train_size:,} training images")
        if self.validation_size is not None:
            parts.append(f"{self.validation_size:,} of them held out")
        if self.facts.image_size not in (None, self.image_size):
            parts.append(f"{self.image_size} x {self.image_size} pixels")
        if self.random_labels is not None:
            parts.append(f"{100 * self.random_labels:g} % random labels")
        return ", ".join(parts)

    @property
    def train_images(self) -> int | None:
        """Number of images to train on, None if it depends on the files."""
        images = self.train_size or self.facts.train_images
        return None if images is None else images - (self.validation_size or 0)


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
