"""conebench.data.hub: a small dataset that the library wrote, in the cache of the hub."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from conebench.data.datasets import load_data
from conebench.data.sources import read_images, source_facts
from conebench.errors import DataMissingError, SpecError
from conebench.spec.datasets import Dataset

REVISION = "0123456789abcdef0123456789abcdef01234567"
SIDE = 6


def test_without_the_package_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataMissingError) as caught:
        read_images(hub_dataset(), tmp_path)
    message = str(caught.value)
    assert message.startswith("dataset hf needs the package datasets (")
    assert message.endswith("): pip install 'datasets>=4'")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package datasets, offline, with caches of its own."""
    package = pytest.importorskip("datasets")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    return package


def hub_dataset(**changes: object) -> Dataset:
    fields = {"repo": "me/pets", "revision": REVISION, "image_size": SIDE}
    return Dataset(name="hf", **{**fields, **changes})


def write(
    hub: Any,
    root: Path,
    labels: dict[str, list[int]],
    label_type: object = None,
    columns: tuple[str, str] = ("image", "label"),
) -> None:
    """Write splits whose pixels count up from 0, 100 and so on."""
    names = hub.ClassLabel(names=["cat", "dog"])
    features = hub.Features({columns[0]: hub.Image(), columns[1]: label_type or names})
    folder = root / f"hub/datasets--me--pets/snapshots/{REVISION}/data"
    folder.mkdir(parents=True, exist_ok=True)
    for place, (split, found) in enumerate(labels.items()):
        levels = [100 * place + i for i in range(len(found))]
        images = [Image.fromarray(np.full((SIDE, SIDE, 3), v, np.uint8)) for v in levels]
        rows = {columns[0]: images, columns[1]: found}
        table = hub.Dataset.from_dict(rows, features=features)
        table.to_parquet(folder / f"{split}-00000-of-00001.parquet")


LABELS = {"train": [0, 1, 1, 0, 1, 0], "test": [1, 0]}


def test_images_labels_and_names_are_those_of_the_files(hub: Any, tmp_path: Path) -> None:
    write(hub, tmp_path, LABELS)
    source = read_images(hub_dataset(), tmp_path)
    assert source.classes == ("cat", "dog")
    pixels, labels = source.parts["train"]
    assert (pixels.shape, pixels.dtype) == ((6, 3, SIDE, SIDE), torch.uint8)
    assert pixels[:, 0, 0, 0].tolist() == list(range(6))
    assert labels.tolist() == LABELS["train"]
    assert source.parts["test"][0][:, 0, 0, 0].tolist() == [100, 101]
    assert source.parts["test"][1].tolist() == LABELS["test"]
    facts = source_facts(hub_dataset(), tmp_path)
    assert (facts.classes, facts.train_images, facts.test_images) == (2, 6, 2)


def test_its_hash_is_that_of_the_same_pixels_in_a_folder(hub: Any, tmp_path: Path) -> None:
    # Sorted by class, as a folder has them.
    write(hub, tmp_path, {"train": [0, 0, 1, 1], "test": [0, 1]})
    for place, (part, count) in enumerate((("train", 2), ("test", 1))):
        for label, name in enumerate(("cat", "dog")):
            folder = tmp_path / "pets" / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                level = np.full((SIDE, SIDE, 3), 100 * place + count * label + i, np.uint8)
                Image.fromarray(level).save(folder / f"{i}.png")
    cpu = torch.device("cpu")
    folder_data = load_data(
        Dataset(name="imagefolder", folder="pets", image_size=SIDE), tmp_path, cpu
    )
    assert load_data(hub_dataset(), tmp_path, cpu).hash == folder_data.hash


def test_subsets_sizes_and_other_columns(hub: Any, tmp_path: Path) -> None:
    columns = ("picture", "kind")
    labels = {"train": LABELS["train"], "valid": LABELS["test"]}
    write(hub, tmp_path, labels, hub.Value("int64"), columns)
    dataset = hub_dataset(
        image="picture", label="kind", test_split="valid", train_size=2, image_size=3
    )
    source = read_images(dataset, tmp_path)
    assert source.classes == ("0", "1")
    assert source.parts["train"][0].shape == (2, 3, 3, 3)
    assert sorted(source.parts["train"][1].tolist()) == [0, 1]


def test_what_is_not_cached_is_one_line(hub: Any, tmp_path: Path) -> None:
    write(hub, tmp_path, LABELS)
    other = "f" * 40
    with pytest.raises(DataMissingError) as caught:
        read_images(hub_dataset(revision=other), tmp_path)
    message = str(caught.value)
    assert message.startswith(
        "dataset me/pets at fffffff is neither in the Hugging Face cache (HF_HOME) nor to be "
        "downloaded ("
    )
    assert "\n" not in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"image": "picture"},
            "dataset.image: got 'picture', expected a column: image, label",
        ),
        (
            {"label": "lable"},
            "dataset.label: got 'lable', expected a column: image, label; did you mean 'label'?",
        ),
        ({"label": "image"}, "dataset.label: got 'image', a column of Image("),
        ({"image": "label"}, "dataset.image: got 'label', a column of ClassLabel("),
        ({"test_split": "valid"}, "dataset.test_split: got no split 'valid', expected one of"),
        ({"config": "large"}, "dataset.repo: me/pets cannot be read by datasets: BuilderConfig"),
    ],
)
def test_what_does_not_fit_is_one_line(
    hub: Any, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    write(hub, tmp_path, LABELS)
    with pytest.raises(SpecError) as caught:
        read_images(hub_dataset(**changes), tmp_path)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_texts_are_no_classes(hub: Any, tmp_path: Path) -> None:
    write(hub, tmp_path, {"train": ["cat"], "test": ["dog"]}, hub.Value("string"))
    with pytest.raises(SpecError, match=r"^dataset.label: got 'label', a column of Value\("):
        read_images(hub_dataset(), tmp_path)


def test_images_without_a_label_are_refused(hub: Any, tmp_path: Path) -> None:
    write(hub, tmp_path, {"train": [0, 1], "test": [-1, -1]})
    with pytest.raises(SpecError, match=r"^dataset.label: got images without a label"):
        read_images(hub_dataset(), tmp_path)


@pytest.mark.usefixtures("hub")
def test_a_repository_of_image_files(tmp_path: Path) -> None:
    snapshot = tmp_path / f"hub/datasets--me--pets/snapshots/{REVISION}"
    for place, part in enumerate(("train", "test")):
        for label, name in enumerate(("cat", "dog")):
            (snapshot / part / name).mkdir(parents=True)
            level = np.full((SIDE, SIDE, 3), 100 * place + label, np.uint8)
            Image.fromarray(level).save(snapshot / part / name / "0.png")
    source = read_images(hub_dataset(), tmp_path)
    assert source.classes == ("cat", "dog")
    assert source.parts["test"][0][:, 0, 0, 0].tolist() == [100, 101]


def test_a_table_cannot_name_a_file_of_this_machine(hub: Any, tmp_path: Path) -> None:
    private = tmp_path / "private.png"
    Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save(private)
    write(hub, tmp_path, LABELS)
    overwrite_test_split(hub, tmp_path, {"bytes": None, "path": str(private)})
    with pytest.raises(SpecError) as caught:
        read_images(hub_dataset(), tmp_path)
    path = f"got the path {str(private)!r}, which is not in the repository"
    assert str(caught.value) == f"me/pets, test image 0: {path}"


def overwrite_test_split(hub: Any, root: Path, image: dict[str, object]) -> None:
    features = hub.Features(
        {
            "image": {"bytes": hub.Value("binary"), "path": hub.Value("string")},
            "label": hub.ClassLabel(names=["cat", "dog"]),
        }
    )
    table = hub.Dataset.from_dict({"image": [image] * 2, "label": [0, 1]}, features=features)
    # Written as it is: the library would read the file that a path names.
    file = root / f"hub/datasets--me--pets/snapshots/{REVISION}/data/test-00000-of-00001.parquet"
    as_images = hub.Features({**features, "image": hub.Image()})
    pq.write_table(table.data.table.replace_schema_metadata(as_images.arrow_schema.metadata), file)


def test_a_damaged_image_is_named(hub: Any, tmp_path: Path) -> None:
    write(hub, tmp_path, LABELS)
    overwrite_test_split(hub, tmp_path, {"bytes": b"<html>", "path": None})
    with pytest.raises(SpecError, match=r"^me/pets, test image 0: cannot be read as an image: "):
        read_images(hub_dataset(), tmp_path)
