"""conebench.data.image_folder: which files count, and one line for each thing that does not fit."""

import os
import random
from pathlib import Path

import pytest
from torchvision import datasets as tv

from conebench.data.image_folder import (
    PARTS,
    SUFFIXES,
    ImageFolder,
    folder_facts,
    list_image_folder,
)
from conebench.errors import ConebenchError, DataMissingError, SpecError, StorageError
from conebench.spec.datasets import Dataset


def _touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def _pets(root: Path, images: int = 2) -> Path:
    """An image folder with two classes; listing reads no image, so all are empty files."""
    folder = root / "pets"
    for part in PARTS:
        for name in ("cat", "dog"):
            _touch(folder / part / name, *(f"{i}.png" for i in range(images)))
    return folder


def _refusal(folder: Path, kind: type[ConebenchError] = SpecError) -> str:
    with pytest.raises(kind) as caught:
        list_image_folder(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(folder), "pets")


def _names(folder: Path, found: ImageFolder, part: str) -> list[str]:
    return [os.path.relpath(path, folder / part) for path, _ in found.labeled(part)]


def test_classes_and_images_are_listed_in_order(tmp_path: Path) -> None:
    folder = _pets(tmp_path)
    found = list_image_folder(folder)
    assert found.classes == ("cat", "dog")
    assert _names(folder, found, "test") == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]
    assert [label for _, label in found.labeled("test")] == [0, 0, 1, 1]
    assert found.notes == ()


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_that_of_torchvision(tmp_path: Path, seed: int) -> None:
    """As it was before conebench listed folders itself, so that hashes stay."""
    draw = random.Random(seed)  # noqa: S311
    names = ["a", "a-b", "a.b", "B", "ab", "10", "9", "é", "z z"]
    for part in PARTS:
        for name in ("a", "a-b", "B", "é"):
            _touch(tmp_path / part / name, "first.png")
            for _ in range(12):
                folders = draw.choices(names, k=draw.randrange(4))
                suffix = draw.choice([*SUFFIXES, ".PNG", ".Jpg", ".txt", ".gif", ""])
                path = tmp_path.joinpath(part, name, *(f"{f}_" for f in folders))
                _touch(path, draw.choice(names) + suffix)
    found = list_image_folder(tmp_path)
    for part in PARTS:
        expected = tv.ImageFolder(str(tmp_path / part))
        assert found.labeled(part) == expected.samples
        assert list(found.classes) == expected.classes


def test_the_suffixes_are_those_of_torchvision() -> None:
    assert SUFFIXES == tv.folder.IMG_EXTENSIONS


@pytest.mark.parametrize("missing", ["pets", "pets/train", "pets/test"])
def test_a_missing_folder_says_what_to_put_where(tmp_path: Path, missing: str) -> None:
    folder = _pets(tmp_path)
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    part = "test" if missing == "pets/test" else "train"
    where = "images there as <class>/<image>.png, or choose --data-root or CONEBENCH_DATA"
    absent = f"dataset folder pets/{part} is missing; put {where}"
    empty = f"dataset folder pets/{part} holds no class folders; put {where}"
    assert _refusal(folder, DataMissingError) == absent
    (tmp_path / missing).mkdir()
    assert _refusal(folder, DataMissingError) == (absent if missing == "pets" else empty)
    (tmp_path / missing).rmdir()
    (tmp_path / missing).touch()
    a_file = f"dataset folder pets/{part} is a file; put {where}"
    assert _refusal(folder, DataMissingError) == (absent if missing == "pets" else a_file)


def test_images_without_class_folders_are_refused(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "pets", "train/1.png", "train/2.jpg", "test/1.png")
    assert _refusal(folder) == (
        "pets/train: got 2 images and no class folders, expected train/<class>/<image>"
    )


def test_images_next_to_class_folders_are_told_of(tmp_path: Path) -> None:
    folder = _touch(_pets(tmp_path), "train/1.png")
    found = list_image_folder(folder)
    assert found.classes == ("cat", "dog")
    assert found.notes == ("skipped 1 image outside class folders: train/1.png",)


def test_hidden_files_and_folders_are_skipped_and_told_of(tmp_path: Path) -> None:
    folder = _touch(
        _pets(tmp_path),
        *("train/.ipynb_checkpoints/1.png", "train/cat/.ipynb_checkpoints/0-checkpoint.png"),
        *("train/cat/._0.png", "test/.DS_Store", "test/dog/.hidden.png"),
    )
    found = list_image_folder(folder)
    assert _names(folder, found, "train") == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]
    assert found.notes == (
        "skipped 5 hidden items: test/.DS_Store, test/dog/.hidden.png, train/.ipynb_checkpoints "
        "and 2 more",
    )


def test_files_of_other_types_are_skipped_and_told_of(tmp_path: Path) -> None:
    folder = _touch(_pets(tmp_path), "train/cat/a.jfif", "train/cat/b.gif", "train/labels.csv")
    os.mkfifo(folder / "test/cat/pipe.png")
    found = list_image_folder(folder)
    assert len(found.labeled("train")) == 4
    assert found.notes == (
        "skipped 4 files of other types: test/cat/pipe.png, train/cat/a.jfif, train/cat/b.gif "
        "and 1 more",
    )


def test_upper_case_suffixes_are_images(tmp_path: Path) -> None:
    folder = _touch(_pets(tmp_path, 0), *(f"{p}/{c}/X.JPG" for p in PARTS for c in ("cat", "dog")))
    assert len(list_image_folder(folder).labeled("train")) == 2


def test_a_class_without_images_is_named_with_what_it_holds(tmp_path: Path) -> None:
    folder = _touch(_pets(tmp_path), "train/fox/1.gif", "train/fox/2.gif", "train/fox/3.jfif")
    (folder / "test/fox").mkdir()
    assert _refusal(folder) == (
        "pets: class folders without images: train/fox (2 .gif, 1 .jfif), test/fox (empty); "
        "images end in .jpg, .jpeg, .png, .ppm, .bmp, .pgm, .tif, .tiff, .webp"
    )


def test_a_class_of_hidden_files_has_no_images(tmp_path: Path) -> None:
    folder = _pets(tmp_path)
    for part in PARTS:
        _touch(folder / part / "fox", ".1.png")
    assert _refusal(folder).startswith(
        "pets: class folders without images: train/fox (empty), test/fox (empty); images end in "
    )


def test_classes_that_differ_are_named(tmp_path: Path) -> None:
    folder = _pets(tmp_path)
    (folder / "test/dog").rename(folder / "test/doggy")
    assert _refusal(folder) == (
        "pets: class folders differ: only in train: dog; only in test: doggy"
    )
    for i in range(9):
        (folder / f"train/{i}").mkdir()
    (folder / "test/doggy").rename(folder / "test/dog")
    assert _refusal(folder) == "pets: class folders differ: only in train: 0, 1, 2 and 6 more"


@pytest.mark.parametrize("name", ["dog ", "dog\n", "dog\u200b", "do\u202eg"])
def test_classes_that_look_alike_are_told_apart(tmp_path: Path, name: str) -> None:
    folder = _pets(tmp_path)
    (folder / "test/dog").rename(folder / "test" / name)
    assert _refusal(folder) == (
        f"pets: class folders differ: only in train: dog; only in test: {name!r}"
    )


def test_names_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    folder = _pets(tmp_path)
    for part in PARTS:
        _touch(folder / part, os.fsdecode(b"caf\xe9/1.png"))
    _touch(folder, os.fsdecode(b"train/cat/\xe9\n.txt"), "test/dog/9.png")
    found = list_image_folder(folder)
    assert found.notes == (
        "skipped 1 file of other types: 'train/cat/\\udce9\\n.txt'",
        "train images by class: 'caf\\udce9' 1, cat 2, dog 2",
        "test images by class: 'caf\\udce9' 1, cat 2, dog 3",
    )


@pytest.mark.parametrize("part", PARTS)
def test_classes_of_one_name_in_two_unicode_forms_are_refused(tmp_path: Path, part: str) -> None:
    folder = _pets(tmp_path)
    _touch(folder, "train/caf\u00e9/1.png", f"{part}/cafe\u0301/1.png")
    assert _refusal(folder) == (
        f"pets: class folders {part}/cafe\\u0301 and train/caf\\xe9 have one name in two Unicode "
        "forms; rename one of them"
    )


def test_names_of_one_unicode_form_are_classes_of_their_own(tmp_path: Path) -> None:
    folder = _pets(tmp_path)
    for part in PARTS:
        # Alike in a compatibility form only.
        _touch(folder / part, "x2/1.png", "x\u00b2/1.png", "Cat/1.png")
    assert list_image_folder(folder).classes == ("Cat", "cat", "dog", "x2", "x\u00b2")


def test_one_class_is_too_few(tmp_path: Path) -> None:
    folder = _touch(tmp_path / "pets", "train/cat/1.png", "test/cat/1.png")
    assert _refusal(folder) == "pets: got one class folder, cat, expected two or more"


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("train/cat/up", "."),
        ("train/cat/up", ".."),
        ("train/cat/up", "../.."),
        ("train/cat/up", "../../.."),
        ("train/cat/up", "/"),
        ("train/cat/sub/up", ".."),
        ("train/fox", "cat"),
        ("train/fox", "."),
        ("train/cat/dogs", "../dog"),
        ("train/cat/9.png", "0.png"),
        ("train/cat/9.png", "../../test/dog/1.png"),
    ],
)
def test_links_back_into_the_dataset_are_refused(tmp_path: Path, link: str, target: str) -> None:
    folder = _pets(tmp_path)
    path = folder / link
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(target)
    real = str(path.resolve()).replace(str(folder), "pets")
    assert _refusal(folder) == (
        f"pets/{link}: links back into the dataset, to {real}, so images would count twice"
    )


@pytest.mark.parametrize("part", PARTS)
def test_one_part_is_not_a_link_to_the_other(tmp_path: Path, part: str) -> None:
    folder = _pets(tmp_path)
    other = PARTS[1 - PARTS.index(part)]
    (folder / part).rename(tmp_path / "old")
    (folder / part).symlink_to(other)
    assert _refusal(folder).startswith(f"pets/{part}: links back into the dataset, to pets/{other}")


def test_links_out_of_the_dataset_are_followed_and_told_of(tmp_path: Path) -> None:
    folder = _pets(tmp_path)
    _touch(tmp_path / "store", "more/1.png", "more/deep/2.png", "5.png")
    (folder / "train/cat/more").symlink_to(tmp_path / "store/more")
    (folder / "train/cat/9.png").symlink_to("../../../../store/5.png")
    # The dataset as a whole may be a link, and its parts.
    linked = tmp_path / "data/pets"
    linked.parent.mkdir()
    linked.symlink_to(folder)
    (folder / "test").rename(tmp_path / "store/test")
    (folder / "test").symlink_to(tmp_path / "store/test")
    (folder / "train/cat/9.png").unlink()
    (folder / "train/cat/9.png").symlink_to("../../../store/5.png")
    for path in (folder, linked):
        found = list_image_folder(path)
        assert _names(path, found, "train") == [
            *("cat/0.png", "cat/1.png", "cat/9.png", "cat/more/1.png", "cat/more/deep/2.png"),
            *("dog/0.png", "dog/1.png"),
        ]
        assert len(found.labeled("test")) == 4
        assert "followed 3 links out of the folder: test, train/cat/9.png, train/cat/more" in (
            found.notes
        )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("store", "store"),
        ("store", "store/deep"),
        ("store/deep", "store"),
        ("store/1.png", "store/1.png"),
        ("store/1.png", "store"),
        ("store/deep/2.png", "store"),
    ],
)
def test_two_links_to_the_same_images_are_refused(tmp_path: Path, first: str, second: str) -> None:
    folder = _pets(tmp_path)
    _touch(tmp_path / "store", "1.png", "deep/2.png")
    for class_name, target in (("cat", first), ("dog", second)):
        name = "link.png" if target.endswith(".png") else "link"
        (folder / "train" / class_name / name).symlink_to(tmp_path / target)
    message = _refusal(folder)
    assert "leads to the same place as pets/train/cat/link" in message
    assert message.startswith("pets/train/dog/link")


def test_a_link_outside_may_not_lead_back_either(tmp_path: Path) -> None:
    folder = _pets(tmp_path)
    _touch(tmp_path / "store", "1.png")
    (tmp_path / "store/again").symlink_to(tmp_path / "store")
    (folder / "train/cat/more").symlink_to(tmp_path / "store")
    assert "leads to the same place as" in _refusal(folder)
    (tmp_path / "store/again").unlink()
    (tmp_path / "store/again").symlink_to(folder / "train/dog")
    assert "links back into the dataset, to pets/train/dog" in _refusal(folder)


@pytest.mark.parametrize("link", ["train/fox", "train/cat/9.png", "train/cat/more", "test"])
@pytest.mark.parametrize("target", ["nowhere", "self"])
def test_links_to_nothing_are_refused(tmp_path: Path, link: str, target: str) -> None:
    folder = _pets(tmp_path)
    path = folder / link
    if path.exists():
        path.rename(tmp_path / "old")
    path.symlink_to(path.name if target == "self" else target)
    message = _refusal(folder)
    assert message.startswith(f"pets/{link}: links to pets/")
    assert message.endswith(", which does not exist")


def test_links_to_files_of_other_types_are_skipped(tmp_path: Path) -> None:
    folder = _touch(_pets(tmp_path), "LICENSE")
    _touch(tmp_path, "README")
    for name in ("cat", "dog"):
        (folder / "train" / name / "LICENSE").symlink_to("../../LICENSE")
        (folder / "train" / name / "README").symlink_to(tmp_path / "README")
    found = list_image_folder(folder)
    assert len(found.labeled("train")) == 4
    assert found.notes == (
        "skipped 4 files of other types: train/cat/LICENSE, train/cat/README, train/dog/LICENSE "
        "and 1 more",
    )


def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _pets(tmp_path)
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("dog"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert _refusal(folder, StorageError) == "pets/train/dog: cannot be read: Permission denied"


def test_images_by_class_are_told_where_they_differ(tmp_path: Path) -> None:
    folder = _touch(_pets(tmp_path), "train/dog/9.png")
    assert list_image_folder(folder).notes == ("train images by class: cat 2, dog 3",)
    _touch(folder, "test/cat/9.png")
    assert list_image_folder(folder).notes == (
        "train images by class: cat 2, dog 3",
        "test images by class: cat 3, dog 2",
    )


def test_many_classes_are_told_of_by_the_smallest_and_the_largest(tmp_path: Path) -> None:
    for part in PARTS:
        for name in range(12):
            _touch(tmp_path / part / f"{name:02}", *(f"{i}.png" for i in range(1 + name % 5)))
    expected = "images by class: 1 (00) to 5 (04), 12 classes"
    assert list_image_folder(tmp_path).notes == (f"train {expected}", f"test {expected}")


def test_the_sizes_of_a_folder(tmp_path: Path) -> None:
    _touch(_pets(tmp_path, 5), "test/dog/9.png")
    facts = folder_facts(Dataset(name="imagefolder", folder="pets", image_size=8), tmp_path)
    assert (facts.classes, facts.train_images, facts.test_images) == (2, 10, 11)
    assert (facts.channels, facts.image_size) == (3, None)
