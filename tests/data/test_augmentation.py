"""conebench.data.augmentation: draws of seed and step alone, and torchvision's own functions."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from conebench.data.augmentation import augmented, mixed
from conebench.data.datasets import Data, Images
from conebench.seeding import counter_generator
from conebench.spec.datasets import Augmentation, ColorJitter, Erasing, ResizedCrop

CHOICES = {
    "resized_crop": ResizedCrop(),
    "color_jitter": ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    "erasing": Erasing(),
    "mixup": 0.2,
}
ALL = Augmentation(flip=True, **CHOICES)


def random_images(n: int = 64, channels: int = 3, side: int = 12) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randint(1, 256, (n, channels, side, side), generator=draw, dtype=torch.uint8)


def make_data(choice: Augmentation) -> Data:
    images = Images(random_images(), torch.arange(64) % 4)
    zero, one = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
    return Data(images, None, images, tuple("abcd"), zero, one, choice, hash="0" * 64)


def draw_at(step: int) -> torch.Generator:
    return counter_generator(0, "augment", step)


def test_defaults_leave_a_spec_as_it_was() -> None:
    assert Augmentation(flip=True).model_dump() == {"flip": True, "crop_padding": 0}
    assert Augmentation().names == []
    assert set(ALL.names) == {"flip", *CHOICES}


@pytest.mark.parametrize("name", CHOICES)
def test_a_batch_depends_on_seed_and_step_alone(name: str) -> None:
    data = make_data(Augmentation(**{name: CHOICES[name]}))
    first = data.batch(3, 50, 32)
    data.batch(3, 51, 32)
    torch.manual_seed(99)
    again = data.batch(3, 50, 32)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    # The same images in another step of the same permutation differ only by what is drawn.
    plain = data.batch(3, 50, 32, augment=False)
    assert not torch.equal(first[0], plain[0])
    assert plain[1].dtype == torch.int64
    assert not torch.equal(augmented_at(data, 1), augmented_at(data, 2))


def augmented_at(data: Data, step: int) -> Tensor:
    whole = replace(
        data, train=Images(data.train.pixels[:1].expand(64, -1, -1, -1), data.train.labels)
    )
    return whole.batch(0, step, 64)[0]


def test_a_change_does_not_depend_on_those_after_it() -> None:
    pixels = random_images()
    flips = augmented(pixels, Augmentation(flip=True), draw_at(0))
    erased = augmented(pixels, Augmentation(flip=True, erasing=Erasing()), draw_at(0))
    kept = erased > 0
    assert torch.equal(erased[kept], flips[kept])
    assert not bool(kept.all())


def test_resized_crops_are_boxes_of_the_image() -> None:
    # Two ramps: a crop keeps them straight, and their ends tell where it was cut.
    ramp = torch.arange(60, dtype=torch.uint8).expand(60, 60)
    pixels = torch.stack([ramp, ramp.T]).expand(400, 2, 60, 60).contiguous()
    crops = augmented(pixels, Augmentation(resized_crop=ResizedCrop(area=(0.25, 0.5))), draw_at(0))
    assert crops.shape == pixels.shape
    # [400]: the ends of a resized ramp are within a pixel of the box.
    width = (crops[:, 0, 0, -1].double() - crops[:, 0, 0, 0].double()) + 1
    height = (crops[:, 1, -1, 0].double() - crops[:, 1, 0, 0].double()) + 1
    area, ratio = width * height / 3600, width / height
    assert float(area.min()) > 0.25 * 0.93
    assert float(area.max()) < 0.5 * 1.07
    assert float(area.mean()) == pytest.approx(0.375, abs=0.02)
    assert float(ratio.min()) > 0.75 * 0.93
    assert float(ratio.max()) < 4 / 3 * 1.07
    # Boxes reach every border.
    assert int(crops[:, 0, 0, 0].min()) == 0
    assert int(crops[:, 0, 0, -1].max()) == 59


def test_a_crop_of_everything_changes_nothing() -> None:
    pixels = random_images()
    whole = ResizedCrop(area=(1.0, 1.0), ratio=(1.0, 1.0))
    assert torch.equal(augmented(pixels, Augmentation(resized_crop=whole), draw_at(0)), pixels)


def test_erased_boxes_are_zeros_of_the_asked_size() -> None:
    pixels = random_images(n=500, side=16)
    # A square of a quarter of the image, as in cutout.
    cutout = Erasing(probability=0.5, area=(0.25, 0.25), ratio=(1.0, 1.0))
    erased = augmented(pixels, Augmentation(erasing=cutout), draw_at(0))
    zeros = (erased == 0).all(1)
    counts = zeros.flatten(1).sum(1)
    assert set(counts.tolist()) == {0, 64}
    assert 200 < int((counts == 64).sum()) < 300
    rows = zeros.any(2).sum(1)
    assert set(rows.tolist()) == {0, 8}
    assert torch.equal(erased[:, :, ~zeros.any(0)], pixels[:, :, ~zeros.any(0)])
    # Every pixel can be erased.
    assert bool(zeros.any(0).all())


@pytest.mark.parametrize("strength", [0.4, 2.0])
def test_brightness_is_torchvisions(strength: float) -> None:
    pixels = random_images()
    jitter = ColorJitter(brightness=strength)
    jittered = augmented(pixels, Augmentation(color_jitter=jitter), draw_at(0))
    u = torch.rand((4, 64), generator=draw_at(0), dtype=torch.float64)[0]
    low = max(0.0, 1 - strength)
    for image, changed, place in zip(pixels, jittered, u.tolist(), strict=True):
        factor = low + (1 + strength - low) * place
        assert torch.equal(changed, transforms.adjust_brightness(image, factor))


def test_gray_stays_gray_and_hues_keep_the_brightest_channel() -> None:
    gray = random_images(channels=1).expand(-1, 3, -1, -1)
    colors = ColorJitter(saturation=0.5, hue=0.5)
    changed = augmented(gray, Augmentation(color_jitter=colors), draw_at(0)).int()
    # To rounding.
    assert int((changed - gray.int()).abs().max()) <= 1
    turned = augmented(random_images(), Augmentation(color_jitter=ColorJitter(hue=0.5)), draw_at(0))
    brightest = (turned.amax(1).int() - random_images().amax(1).int()).abs()
    assert int(brightest.max()) <= 2
    assert not torch.equal(turned, random_images())


def test_mixup_mixes_images_and_labels_alike() -> None:
    labels = torch.arange(8) % 4
    # Each image shows its label.
    x = torch.nn.functional.one_hot(labels, 4).float()[:, :, None, None].expand(8, 4, 2, 2)
    shares = []
    for step in range(400):
        mixed_x, targets = mixed(x, labels, 4, 0.2, draw_at(step))
        torch.testing.assert_close(mixed_x[:, :, 0, 0], targets)
        torch.testing.assert_close(targets.sum(1), torch.ones(8))
        shares.append(float(targets[0, 0]))
    # Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)).
    found = torch.tensor(shares, dtype=torch.float64)
    assert float(found.mean()) == pytest.approx(0.5, abs=0.06)
    assert float(found.var()) == pytest.approx(1 / 5.6, abs=0.02)


def test_all_together_keep_shapes_and_types() -> None:
    data = make_data(ALL)
    x, y = data.batch(0, 0, 16)
    assert (x.shape, y.shape) == ((16, 3, 12, 12), (16, 4))
    assert (x.dtype, y.dtype) == (torch.float32, torch.float32)
    assert bool(torch.isfinite(x).all())
