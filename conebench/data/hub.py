"""Datasets of the Hugging Face hub, through the package datasets."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conebench.data.image_files import read_rgb
from conebench.errors import DataMissingError, SpecError
from conebench.spec.datasets import Dataset
from conebench.text import did_you_mean, first_line


class HubDataset:
    """Both parts of a dataset at one revision; images are decoded when they are asked for.

    Attributes:
        classes: Names of the classes.
        labels: Of `train` and `test`, the label of each image.

    """

    def __init__(self, dataset: Dataset) -> None:
        """Open a dataset, from the Hugging Face cache if it is there.

        Raises:
            DataMissingError: The package datasets is not installed, or the files are neither cached
                nor to be downloaded.
            SpecError: A split or a column is missing, or not of images or classes.

        """
        self._dataset = dataset
        splits = _open(dataset)
        self._parts = {
            part: _without_decoding(dataset, _split(splits, part, dataset))
            for part in ("train", "test")
        }
        self.labels = {
            name: np.asarray(part[dataset.label], dtype=np.int64)
            for name, part in self._parts.items()
        }
        if min(int(labels.min(initial=0)) for labels in self.labels.values()) < 0:
            raise SpecError(
                "got images without a label, expected a label for each; choose another split",
                field="dataset.label",
            )
        self.classes = self._class_names()

    def _class_names(self) -> tuple[str, ...]:
        feature = self._parts["train"].features[self._dataset.label]
        count = 1 + max(int(labels.max(initial=0)) for labels in self.labels.values())
        return tuple(getattr(feature, "names", None) or map(str, range(count)))

    def pixels(self, part: str, index: int) -> npt.NDArray[np.uint8]:
        """Return the pixels of one image, [size, size, 3]."""
        dataset = self._dataset
        image = self._parts[part][index][dataset.image]
        name = f"{dataset.repo}, {part} image {index}"
        content = image["bytes"]
        if content is None:
            # The repository has files of images, not tables.
            content = _read_cached(image["path"], name)
        return read_rgb(content, int(dataset.image_size or 0), name)


def _open(dataset: Dataset) -> Any:
    """Return the splits of a dataset, whose images are not decoded."""
    try:
        import datasets
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise DataMissingError(
            f"dataset hf needs the package datasets ({first_line(error)}): "
            "pip install 'datasets>=4'"
        ) from None
    repo, revision = str(dataset.repo), str(dataset.revision)
    try:
        # Not datasets' own download: without a network it takes any revision of its cache.
        folder = snapshot_download(repo, repo_type="dataset", revision=revision)
    except Exception as error:  # noqa: BLE001  # hub, network and file errors of many kinds
        raise DataMissingError(
            f"dataset {repo} at {revision[:7]} is neither in the Hugging Face cache (HF_HOME) nor "
            f"to be downloaded ({first_line(error)})"
        ) from None
    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(folder, dataset.config)
    except Exception as error:  # noqa: BLE001  # files of a user's may raise anything
        raise SpecError(
            f"{repo} cannot be read by datasets: {first_line(error)}", field="dataset.repo"
        ) from None


def _read_cached(path: str | None, name: str) -> bytes:
    """Read a file of a repository."""
    from datasets.config import HF_DATASETS_CACHE
    from huggingface_hub.constants import HF_HUB_CACHE

    file = Path(path or "").resolve()
    # A table could name any file of this machine.
    if not any(file.is_relative_to(Path(c).resolve()) for c in (HF_HUB_CACHE, HF_DATASETS_CACHE)):
        raise SpecError(f"{name}: got the path {path!r}, which is not in the repository")
    return file.read_bytes()


def _split(splits: Any, part: str, dataset: Dataset) -> Any:
    name = dataset.test_split if part == "test" else "train"
    if name not in splits:
        raise SpecError(
            f"got no split {name!r}, expected one of {', '.join(splits)}",
            field="dataset.test_split" if part == "test" else "dataset.repo",
        )
    return splits[name]


def _without_decoding(dataset: Dataset, part: Any) -> Any:
    """Check the columns of a split, and leave its images as they are stored."""
    from datasets import ClassLabel, Image, Value

    for name, field, kinds, what in (
        (dataset.image, "dataset.image", Image, "images"),
        (dataset.label, "dataset.label", (ClassLabel, Value), "classes"),
    ):
        feature = part.features.get(name)
        if feature is None:
            known = list(part.features)
            raise SpecError(
                f"got {name!r}, expected a column: {', '.join(known)}{did_you_mean(name, known)}",
                field=field,
            )
        is_number = not isinstance(feature, Value) or "int" in feature.dtype
        if not isinstance(feature, kinds) or not is_number:
            raise SpecError(
                f"got {name!r}, a column of {feature}, expected one of {what}", field=field
            )
    return part.cast_column(dataset.image, Image(decode=False))
