"""conebench.data: batches that depend on seed and step alone, on images of known content."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from conebench.data.datasets import Data, Images, load_data
from conebench.errors import SpecError
from conebench.spec.datasets import Augmentation, ChannelStatistics, Dataset

CPU = torch.device("cpu")
DIGITS_HASH = "c9f7bbab"
# Of the version that listed and read folders with torchvision.
FOLDER_HASH = "3962221ea55d35f56d29be21751e5b8582d7665453eff48be37c063178ea043d"


def _digits(**changes: object) -> Data:
    dataset = Dataset(name="digits", image_size=8).model_copy(update=changes)
    return load_data(dataset, Path("nowhere"), CPU)


@pytest.fixture(scope="module")
def digits() -> Data:
    return _digits()


def test_digits_are_the_real_images(digits: Data) -> None:
    assert (len(digits.train), len(digits.test), len(digits.classes)) == (1437, 360, 10)
    assert digits.train.pixels.dtype == torch.uint8
    assert (int(digits.train.pixels.min()), int(digits.train.pixels.max())) == (0, 255)
    assert digits.hash.startswith(DIGITS_HASH)


def test_training_images_are_normalised_to_mean_0_and_deviation_1(digits: Data) -> None:
    x = digits.normalize(digits.train.pixels).double()
    assert float(x.mean()) == pytest.approx(0, abs=1e-6)
    assert float(x.std(correction=0)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("normalization", "expected"),
    [("none", 1.0), (ChannelStatistics(mean=(0.5,), std=(0.25,)), 2.0)],
)
def test_other_normalisations(normalization: object, expected: float) -> None:
    white = torch.full((1, 1, 8, 8), 255, dtype=torch.uint8)
    assert float(_digits(normalization=normalization).normalize(white).max()) == expected


def test_images_are_held_out_class_by_class(digits: Data) -> None:
    split = _digits(validation_size=100)
    held_out = split.validation
    assert held_out is not None
    assert torch.bincount(held_out.labels).tolist() == [10] * 10
    both = torch.cat([split.train.pixels, held_out.pixels]).flatten(1)
    everything = digits.train.pixels.flatten(1)
    assert torch.equal(torch.unique(both, dim=0), torch.unique(everything, dim=0))
    assert len(both) == len(everything)
    again = _digits(validation_size=100).validation
    assert again is not None
    assert torch.equal(held_out.pixels, again.pixels)
    assert split.hash != digits.hash


def test_random_labels_shuffle_a_share_of_the_training_labels(digits: Data) -> None:
    half, everything = _digits(random_labels=0.5), _digits(random_labels=1.0)
    for data, share in ((half, 0.5), (everything, 1.0)):
        labels = data.train.labels
        # Each class keeps its images, and one in ten keeps its label by chance.
        assert torch.equal(torch.bincount(labels), torch.bincount(digits.train.labels))
        changed = float((labels != digits.train.labels).double().mean())
        assert changed == pytest.approx(0.9 * share, abs=0.03)
        assert torch.equal(data.train.pixels, digits.train.pixels)
        assert torch.equal(data.test.labels, digits.test.labels)
    assert len({digits.hash, half.hash, everything.hash}) == 3


def test_random_labels_are_drawn_by_the_subset_seed_alone() -> None:
    first, again = _digits(random_labels=1.0), _digits(random_labels=1.0)
    other = _digits(random_labels=1.0, subset_seed=1)
    assert torch.equal(first.train.labels, again.train.labels)
    assert first.hash == again.hash
    assert not torch.equal(first.train.labels, other.train.labels)


def test_images_held_out_keep_their_labels() -> None:
    true, random = _digits(validation_size=100), _digits(validation_size=100, random_labels=1.0)
    assert true.validation is not None
    assert random.validation is not None
    assert torch.equal(random.validation.pixels, true.validation.pixels)
    assert torch.equal(random.validation.labels, true.validation.labels)
    assert not torch.equal(random.train.labels, true.train.labels)


def test_all_images_cannot_be_held_out() -> None:
    with pytest.raises(SpecError) as caught:
        _digits(validation_size=1437)
    assert str(caught.value) == (
        "dataset.validation_size: got 1437, expected fewer than the 1437 training images"
    )


def test_a_test_subset_is_balanced_and_fixed(digits: Data) -> None:
    part = digits.test_subset(50, seed=0)
    assert torch.bincount(part.labels).tolist() == [5] * 10
    assert torch.equal(part.pixels, digits.test_subset(50, seed=0).pixels)
    assert not torch.equal(part.pixels, digits.test_subset(50, seed=1).pixels)
    assert digits.test_subset(360, seed=0) is digits.test


def test_an_epoch_shows_each_image_once(digits: Data) -> None:
    size, per_epoch = 100, 14
    labels = [digits.batch(0, step, size) for step in range(per_epoch)]
    seen = torch.cat([x for x, _ in labels]).flatten(1)
    assert len(torch.unique(seen, dim=0)) == len(torch.unique(seen.round(decimals=4), dim=0))
    assert len(seen) == size * per_epoch
    pool = digits.normalize(digits.train.pixels).flatten(1)
    distances = torch.cdist(seen, pool).argmin(1)
    # The dataset itself holds no image twice, so positions tell images apart.
    assert len(torch.unique(distances)) == len(seen)


def test_an_epoch_with_its_last_short_batch_shows_all_images(digits: Data) -> None:
    batches = [digits.batch(0, step, 100, keep_last=True) for step in range(16)]
    assert [len(labels) for _, labels in batches] == [100] * 14 + [37, 100]
    # 1,437 images, and the next epoch begins with another order.
    seen = torch.cat([labels for _, labels in batches[:15]])
    assert torch.equal(torch.bincount(seen), torch.bincount(digits.train.labels))
    assert torch.equal(batches[0][0], digits.batch(0, 0, 100)[0])
    assert torch.equal(batches[15][0], digits.batch(0, 14, 100)[0])


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    data = _digits(augmentation=Augmentation(flip=True, crop_padding=2))
    late_first = data.batch(3, 50, 32)
    for step in range(5):
        data.batch(3, step, 32)
    torch.manual_seed(99)
    again = data.batch(3, 50, 32)
    assert torch.equal(late_first[0], again[0])
    assert torch.equal(late_first[1], again[1])
    for seed, step in ((4, 50), (3, 51)):
        assert not torch.equal(data.batch(seed, step, 32)[0], again[0])


def test_augmentation_leaves_the_choice_of_images_alone() -> None:
    plain, augmented = _digits(), _digits(augmentation=Augmentation(flip=True, crop_padding=2))
    assert torch.equal(plain.batch(0, 7, 32)[1], augmented.batch(0, 7, 32)[1])
    assert torch.equal(plain.batch(0, 7, 32)[0], augmented.batch(0, 7, 32, augment=False)[0])


def _ramp(n: int = 64) -> Data:
    """Images whose pixel (r, c) holds 16 r + c + 1, so that each crop shows where it was cut."""
    pixels = (16 * torch.arange(8)[:, None] + torch.arange(8) + 1).to(torch.uint8)
    images = Images(pixels.expand(n, 1, 8, 8), torch.zeros(n, dtype=torch.int64))
    zero, one = torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
    crops = Augmentation(crop_padding=2)
    return Data(images, None, images, ("a",), zero, one, crops, hash="0" * 64)


def test_crops_are_shifts_of_the_zero_padded_image() -> None:
    data = _ramp()
    x = (data.batch(0, 0, 64)[0] * 255).round().long()[:, 0]
    padded = torch.nn.functional.pad(data.train.pixels[0, 0].long(), (2, 2, 2, 2))
    shifts = {(r, c): padded[r : r + 8, c : c + 8] for r in range(5) for c in range(5)}
    found = [next(k for k, crop in shifts.items() if torch.equal(crop, image)) for image in x]
    assert len(found) == 64
    # 64 draws from 25 equally likely shifts.
    assert len(set(found)) > 15


def test_half_of_the_images_are_mirrored() -> None:
    data = replace(_ramp(2000), augmentation=Augmentation(flip=True))
    x = (data.batch(0, 0, 2000)[0] * 255).round().long()[:, 0]
    original = data.train.pixels[0, 0].long()
    mirrored = torch.tensor([torch.equal(image, original.flip(1)) for image in x])
    untouched = torch.tensor([torch.equal(image, original) for image in x])
    assert bool((mirrored ^ untouched).all())
    assert 900 < int(mirrored.sum()) < 1100


def test_the_probe_set_is_balanced_and_depends_on_its_own_seed(digits: Data) -> None:
    probe = digits.balanced_subset(50, 0, "probe")
    assert torch.bincount(probe.labels).tolist() == [5] * 10
    assert torch.equal(probe.pixels, digits.balanced_subset(50, 0, "probe").pixels)
    assert not torch.equal(probe.pixels, digits.balanced_subset(50, 1, "probe").pixels)


def test_subsets_of_the_dataset() -> None:
    data = _digits(train_size=100, test_size=30)
    assert torch.bincount(data.train.labels).tolist() == [10] * 10
    assert torch.bincount(data.test.labels).tolist() == [3] * 10
    assert data.hash != _digits(train_size=100, test_size=40).hash


def test_a_subset_larger_than_the_dataset_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        _digits(train_size=2000)
    assert str(caught.value) == "dataset.train_size: got 2000, expected at most 1437"


@pytest.mark.parametrize("size", [16, 4])
def test_images_are_resized(size: int) -> None:
    assert _digits(image_size=size).train.pixels.shape == (1437, 1, size, size)


def test_the_hash_of_a_folder_of_8_bit_images_never_changes(tmp_path: Path) -> None:
    draw = np.random.default_rng(7)
    for part in ("train", "test"):
        for name in ("cat", "dog", "b"):
            folder = tmp_path / "pets" / part / name
            (folder / "deep").mkdir(parents=True)
            for file in ("0.png", "1.bmp", "2.ppm", "3.tif", "deep/4.PNG"):
                for mode in ("L", "RGB"):
                    pixels = draw.integers(0, 256, (9, 11, 3), dtype=np.uint8)
                    path = (folder / file).with_stem(f"{mode}{Path(file).stem}")
                    Image.fromarray(pixels).convert(mode).save(path)
    dataset = Dataset(name="imagefolder", folder="pets", image_size=8, train_size=20)
    assert load_data(dataset, tmp_path, CPU).hash == FOLDER_HASH
