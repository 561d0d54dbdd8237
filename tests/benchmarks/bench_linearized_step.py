"""One linearized training step against one ordinary step of the same network, side by side.

The linearized one in as many passes as an arm takes it. The ratio of their times (the median of
seven, least and most), seconds, and the memory that a process takes on top for a step stand in the
JSON that `--benchmark-json` writes.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest
import torch
from torch import nn

from conebench.linearize import LinearizedModel
from conebench.networks.timm_models import make_model
from conebench.runner.stages.activation_memory import images_within
from conebench.runner.stages.arms import IMAGES_JUDGED_BY, PASS_BYTES

Case = tuple[str, dict[str, object], int]

CASES: dict[str, Case] = {
    "ResNet-20, 128 images": ("cifar_resnet20", {}, 128),
    "VGG-16-BN, 128 images": ("cifar_vgg16_bn", {}, 128),
    "ViT-Tiny/4, 64 images": ("vit_tiny_patch16_224", {"img_size": 32, "patch_size": 4}, 64),
    "ConvNeXt-Atto/2, 64 images": ("convnext_atto", {"patch_size": 2}, 64),
    "EfficientNet-Lite0, 64 images": ("efficientnet_lite0", {}, 64),
}
KINDS = ("ordinary", "linearized")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def make_step(case: str, kind: str) -> Callable[[], None]:
    """A training step of the case's network, of 32x32 images."""
    name, kwargs, batch = CASES[case]
    network: nn.Module = make_model(name, kwargs, pretrained=False, classes=10, channels=3, seed=0)
    network.to(DEVICE)
    images_at_once = batch
    if kind == "linearized":
        network = LinearizedModel(network)
    # As in a run: on a GPU the batch is one pass.
    if isinstance(network, LinearizedModel) and DEVICE.type == "cpu":
        few = torch.randn(IMAGES_JUDGED_BY, 3, 32, 32)
        images_at_once = images_within(PASS_BYTES, network, few)
    if isinstance(network, LinearizedModel):
        network.replays = True
    count = -(-batch // images_at_once)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, 3, 32, 32, generator=generator).to(DEVICE)
    y = torch.randint(0, 10, (batch,), generator=generator).to(DEVICE)

    def step() -> None:
        optimizer.zero_grad()
        for images, labels in zip(x.chunk(count), y.chunk(count), strict=True):
            loss = torch.nn.functional.cross_entropy(network(images), labels, reduction="sum")
            (loss / batch).backward()
        optimizer.step()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()

    return step


@pytest.mark.parametrize("case", CASES)
def test_step(benchmark, case: str) -> None:
    """Both kinds in turn, since the machine's pace changes from minute to minute."""
    steps = {kind: make_step(case, kind) for kind in KINDS}
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}

    def both() -> None:
        for kind, step in steps.items():
            began = perf_counter()
            step()
            seconds[kind].append(perf_counter() - began)

    both()
    for kind in KINDS:
        seconds[kind].clear()
    benchmark.pedantic(both, rounds=7)
    ordinary, linearized = (seconds[kind] for kind in KINDS)
    ratios = [mine / other for mine, other in zip(linearized, ordinary, strict=True)]
    benchmark.extra_info["time"] = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    for kind in KINDS:
        benchmark.extra_info[f"{kind}_seconds"] = round(median(seconds[kind]), 3)
        benchmark.extra_info[f"{kind}_mb"] = _memory_megabytes(case, kind)


def _memory_megabytes(case: str, kind: str) -> float:
    command = [sys.executable, "-W", "ignore", __file__, case, kind]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _peak_megabytes() -> float:
    if DEVICE.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


if __name__ == "__main__":
    # A small step first: libraries set aside memory of their own at the first use.
    CASES["small"] = ("cifar_resnet8", {}, 8)
    make_step("small", sys.argv[2])()
    before = _peak_megabytes()
    taken_step = make_step(*sys.argv[1:])
    for _ in range(2):
        taken_step()
    sys.stdout.write(f"{_peak_megabytes() - before:.0f}\n")
