"""The kernel against a row-by-row autograd Jacobian of the same network, side by side."""

import pytest
import torch
from networks import jacobian_by_rows

from conebench.entk import empirical_ntk
from conebench.model import make_model

CASES = [("cifar_resnet20", 64), ("cifar_vgg16_bn", 4)]


@pytest.mark.parametrize("kind", ["conebench", "rows"])
@pytest.mark.parametrize(("name", "samples"), CASES)
def test_full_kernel(benchmark, name: str, samples: int, kind: str) -> None:
    network = make_model(name, {}, pretrained=False, classes=10, channels=3, seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(samples, 3, 32, 32, generator=generator)

    def build() -> torch.Tensor:
        if kind == "conebench":
            return empirical_ntk(network, x)
        J = jacobian_by_rows(network, x)
        return J @ J.T

    benchmark.group = f"{name} n={samples}"
    benchmark.pedantic(build, rounds=3, warmup_rounds=1)
