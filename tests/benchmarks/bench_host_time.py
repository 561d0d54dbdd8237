"""Python's share of a training step: tensors so small that arithmetic hardly counts.

A GPU computes such a step in a few milliseconds, so there it would wait for Python. One thread. The
ratio of a linearized step, replayed and by the network's modules, to an ordinary step of the same
network (median of the rounds, least and most), and milliseconds, stand in the JSON that
`--benchmark-json` writes. On a GPU the steps recorded as CUDA graphs are there too.
"""

from collections.abc import Callable
from statistics import median
from time import perf_counter

import pytest
import torch
from torch import Tensor, nn

from conebench.linearize import LinearizedModel
from conebench.networks.timm_models import make_model
from conebench.training.cuda_graphs import AddGradients, RecordedGradients, record_cuda_graph

# Model, its arguments, pixels per side.
CASES: dict[str, tuple[str, dict[str, object], int]] = {
    "ResNet-8": ("cifar_resnet8", {}, 8),
    "ResNet-20": ("cifar_resnet20", {}, 8),
    "ResNet-18": ("resnet18", {}, 32),
    "ViT-Tiny": ("vit_tiny_patch16_224", {"img_size": 8, "patch_size": 4}, 8),
    "ConvNeXt-Atto": ("convnext_atto", {"patch_size": 2}, 32),
}
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
GRAPHS = ("ordinary_graph", "replayed_graph") if DEVICE.type == "cuda" else ()
KINDS = ("ordinary", "modules", "replayed", *GRAPHS)
ROUNDS = 30


def make_step(case: str, kind: str) -> Callable[[], None]:
    """A step of SGD with momentum on two images."""
    name, kwargs, side = CASES[case]
    network: nn.Module = make_model(name, kwargs, pretrained=False, classes=10, channels=3, seed=0)
    network.to(DEVICE)
    if not kind.startswith("ordinary"):
        network = LinearizedModel(network)
        network.replays = kind.startswith("replayed")
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, side, side, generator=generator).to(DEVICE)
    y = torch.tensor([0, 1], device=DEVICE)

    def backward(x: Tensor, y: Tensor) -> Tensor:
        loss = nn.functional.cross_entropy(network(x), y)
        loss.backward()
        return loss.detach()

    add_gradients: AddGradients = backward
    if kind.endswith("graph"):
        add_gradients = RecordedGradients(network, backward, record_cuda_graph)

    def step() -> None:
        optimizer.zero_grad()
        add_gradients(x, y)
        optimizer.step()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()

    return step


@pytest.mark.parametrize("case", CASES)
def test_host_time(benchmark, case: str) -> None:
    """All kinds in turn, since the machine's pace changes from minute to minute."""
    torch.set_num_threads(1)
    steps = {kind: make_step(case, kind) for kind in KINDS}
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}

    def each() -> None:
        for kind, step in steps.items():
            began = perf_counter()
            step()
            seconds[kind].append(perf_counter() - began)

    began = perf_counter()
    each()
    benchmark.extra_info["first_steps_seconds"] = round(perf_counter() - began, 2)
    for kind in KINDS:
        seconds[kind].clear()
    benchmark.pedantic(each, rounds=ROUNDS)
    for kind in KINDS:
        ratios = [a / b for a, b in zip(seconds[kind], seconds["ordinary"], strict=True)]
        benchmark.extra_info[kind] = (
            f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )
        benchmark.extra_info[f"{kind}_ms"] = round(1e3 * median(seconds[kind]), 2)
