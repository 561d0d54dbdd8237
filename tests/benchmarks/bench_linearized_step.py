"""One linearized training step against one ordinary step of the same network, side by side.

`make bench` prints both in one table; the ratio of their medians is the figure to quote.
"""

import pytest
import torch

from conebench.linearize import LinearizedModel
from conebench.model import make_model

CASES = [("cifar_resnet20", 128), ("cifar_vgg16_bn", 32)]


@pytest.mark.parametrize("kind", ["ordinary", "linearized"])
@pytest.mark.parametrize(("name", "batch"), CASES)
def test_step(benchmark, name: str, batch: int, kind: str) -> None:
    network = make_model(name, {}, pretrained=False, classes=10, channels=3, seed=0)
    if kind == "linearized":
        network = LinearizedModel(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, 3, 32, 32, generator=generator)
    y = torch.randint(0, 10, (batch,), generator=generator)

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()
        optimizer.step()

    benchmark.group = name
    benchmark.pedantic(step, rounds=5, warmup_rounds=1)
