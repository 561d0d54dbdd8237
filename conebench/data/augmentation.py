"""Random changes of training images, drawn from one generator per step."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int, UInt8
from scipy.special import betaincinv
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional as transforms

from conebench.spec.datasets import Augmentation, ColorJitter, Erasing, ResizedCrop


def augmented(
    pixels: UInt8[Tensor, "n ch h w"], choice: Augmentation, draw: Generator
) -> UInt8[Tensor, "n ch h w"]:
    """Change each image on its own: crop, mirror, change colors, erase."""
    # Trained networks depend on this order, and on the order of draws in each function.
    if choice.resized_crop is not None:
        pixels = _resized_crops(pixels, choice.resized_crop, draw)
    if choice.crop_padding:
        pixels = _random_crop(pixels, choice.crop_padding, draw)
    if choice.flip:
        mirrored = torch.rand(len(pixels), generator=draw) < 0.5
        mirrored = mirrored.to(pixels.device)[:, None, None, None]
        pixels = torch.where(mirrored, pixels.flip(3), pixels)
    if choice.color_jitter is not None:
        pixels = _jittered(pixels, choice.color_jitter, draw)
    if choice.erasing is not None:
        pixels = _erased(pixels, choice.erasing, draw)
    return pixels


def mixed(
    x: Float[Tensor, "n ch h w"],
    labels: Int[Tensor, " n"],
    classes: int,
    alpha: float,
    draw: Generator,
) -> tuple[Float[Tensor, "n ch h w"], Float[Tensor, "n c"]]:
    """Mix each image and its one-hot label with those of the image before it.

    All get the share lambda of their own and 1 - lambda of the other, with lambda from
    Beta(alpha, alpha). Batches are in random order, so pairs are random. Source: Zhang et al. 2018,
    arXiv 1710.09412.
    """
    uniform = float(torch.rand((), generator=draw, dtype=torch.float64))
    share = float(betaincinv(alpha, alpha, uniform))
    # [n, c]
    targets = torch.nn.functional.one_hot(labels, classes).to(x)
    return share * x + (1 - share) * x.roll(1, 0), share * targets + (1 - share) * targets.roll(
        1, 0
    )


def _random_crop(pixels: Tensor, padding: int, draw: Generator) -> Tensor:
    n, _, height, width = pixels.shape
    # Every image has an offset of its own, so one gather crops the whole batch.
    offsets = torch.randint(0, 2 * padding + 1, (2, n), generator=draw).to(pixels.device)
    # [n, ch, h + 2 padding, w + 2 padding]
    padded = torch.nn.functional.pad(pixels, (padding,) * 4)
    # [n, h], [n, w], [n, 1, 1]
    rows = offsets[0][:, None] + torch.arange(height, device=pixels.device)
    columns = offsets[1][:, None] + torch.arange(width, device=pixels.device)
    samples = torch.arange(n, device=pixels.device)[:, None, None]
    # [n, h, w, ch]
    cropped = padded.permute(0, 2, 3, 1)[samples, rows[:, :, None], columns[:, None, :]]
    return cropped.permute(0, 3, 1, 2).contiguous()


def _resized_crops(pixels: Tensor, choice: ResizedCrop, draw: Generator) -> Tensor:
    n, _, height, width = pixels.shape
    boxes = _boxes(n, (height, width), choice.area, choice.ratio, draw)
    crops = [
        transforms.resized_crop(image, *box, size=[height, width], antialias=True)
        for image, box in zip(pixels, boxes.tolist(), strict=True)
    ]
    return torch.stack(crops)


def _erased(pixels: Tensor, choice: Erasing, draw: Generator) -> Tensor:
    n, _, height, width = pixels.shape
    # [n]
    chosen = torch.rand(n, generator=draw) < choice.probability
    boxes = _boxes(n, (height, width), choice.area, choice.ratio, draw)
    # [n, 1] each
    top, left, box_height, box_width = boxes.T[:, :, None]
    rows, columns = torch.arange(height), torch.arange(width)
    # [n, h], [n, w]
    in_rows = (rows >= top) & (rows < top + box_height)
    in_columns = (columns >= left) & (columns < left + box_width)
    # [n, h, w]
    inside = chosen[:, None, None] & in_rows[:, :, None] & in_columns[:, None, :]
    return pixels.masked_fill(inside[:, None].to(pixels.device), 0)


def _boxes(
    n: int,
    size: tuple[int, int],
    area: tuple[float, float],
    ratio: tuple[float, float],
    draw: Generator,
) -> Int[Tensor, "n 4"]:
    """Draw boxes inside an image: top, left, height, width.

    The share of the area is uniform, and so is the logarithm of width over height. Sides longer
    than the image's are cut, where torchvision draws again.
    """
    height, width = size
    # [4, n]
    u = torch.rand((4, n), generator=draw, dtype=torch.float64)
    areas = (area[0] + (area[1] - area[0]) * u[0]) * height * width
    low, high = math.log(ratio[0]), math.log(ratio[1])
    ratios = (low + (high - low) * u[1]).exp()
    box_height = (areas / ratios).sqrt().round().clamp(1, height)
    box_width = (areas * ratios).sqrt().round().clamp(1, width)
    top = (u[2] * (height - box_height + 1)).floor()
    left = (u[3] * (width - box_width + 1)).floor()
    return torch.stack([top, left, box_height, box_width], dim=1).long()


def _jittered(pixels: Tensor, choice: ColorJitter, draw: Generator) -> Tensor:
    # [4, n]; all four are drawn, so that a change does not depend on which others are on.
    u = torch.rand((4, len(pixels)), generator=draw, dtype=torch.float64)
    factors = (
        (transforms.adjust_brightness, choice.brightness),
        (transforms.adjust_contrast, choice.contrast),
        (transforms.adjust_saturation, choice.saturation),
    )
    for (change, strength), place in zip(factors, u[:3], strict=True):
        if strength:
            low = max(0.0, 1 - strength)
            pixels = _each(pixels, change, low + (1 + strength - low) * place)
    if choice.hue:
        pixels = _each(pixels, transforms.adjust_hue, choice.hue * (2 * u[3] - 1))
    return pixels


def _each(pixels: Tensor, change: Callable[[Tensor, float], Tensor], amounts: Tensor) -> Tensor:
    # torchvision takes one amount for all images of a batch.
    return torch.stack([change(x, a) for x, a in zip(pixels, amounts.tolist(), strict=True)])
