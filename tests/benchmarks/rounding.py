"""What float32 does to a kernel and to S: `python tests/benchmarks/rounding.py`.

Two networks a small random step apart, so that S is about a cone floor; the same weights and
images in float32 and in float64.
"""

import copy
import sys

import torch
from torch import nn

from conebench.entk import as_matrix, empirical_ntk, unit_gram
from conebench.model import make_model

CASES = {
    "cifar_resnet20": ({}, 0.15),
    "cifar_vgg16_bn": ({}, 0.2),
    "vit_tiny_patch16_224": ({"img_size": 32, "patch_size": 4}, 0.2),
}
SAMPLES = 16


def main() -> None:
    for name, (arguments, size) in CASES.items():
        first = make_model(name, arguments, pretrained=False, classes=10, channels=3, seed=0).eval()
        second = _moved(first, size)
        x = torch.randn(SAMPLES, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        rough = [as_matrix(empirical_ntk(network, x)) for network in (first, second)]
        exact = [
            as_matrix(empirical_ntk(network.double(), x.double())) for network in (first, second)
        ]
        error = max(
            float((a.double() - b).norm() / b.norm()) for a, b in zip(rough, exact, strict=True)
        )
        S = [1.0 - float(_gram(pair)[1, 0]) for pair in (rough, exact)]
        sys.stdout.write(
            f"{name}: K off by {error:.1e}; S = {S[1]:.5f}, in float32 off by "
            f"{abs(S[0] - S[1]) / S[1]:.1e} of it\n"
        )


def _moved(network: nn.Module, size: float) -> nn.Module:
    moved = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in moved.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(size * noise * parameter.norm() / noise.norm())
    return moved


def _gram(kernels: list[torch.Tensor]) -> torch.Tensor:
    norms = [float(kernel.double().norm()) for kernel in kernels]
    return unit_gram(2, len(kernels[0]), lambda i, a, b: kernels[i][a:b], norms)


if __name__ == "__main__":
    main()
