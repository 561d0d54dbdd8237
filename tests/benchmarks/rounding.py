"""What rounding does to a kernel and to S: `python tests/benchmarks/rounding.py`.

Two networks a small random step apart, so that S is about a cone floor; the same weights and
images in float32 and in float64. TF32 and bf16 are emulated: the factors of every product are
rounded to their 10 and 7 bits, to the nearest, and the sums are those of float32.
"""

import copy
import sys
from collections.abc import Callable
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from conebench.entk import as_matrix, empirical_ntk, passes, unit_gram
from conebench.networks.timm_models import make_model

CASES = {
    "cifar_resnet20": ({}, 0.15),
    "cifar_vgg16_bn": ({}, 0.2),
    "vit_tiny_patch16_224": ({"img_size": 32, "patch_size": 4}, 0.2),
}
SAMPLES = 16


PRODUCTS = ("mm", "bmm", "addmm", "addmm_", "mv", "dot", "convolution", "convolution_backward")
BITS = {"TF32": 10, "bf16": 7}


class RoundedFactors(TorchDispatchMode):
    """Rounds the factors of each product of matrices, vectors and convolutions to some bits."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.steps = 2.0 ** (bits + 1)

    def __torch_dispatch__(self, operation, _types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        if name in PRODUCTS:
            # What a product is added to is no factor.
            summands = 1 if name.startswith("addmm") else 0
            args = (*args[:summands], *map(self._rounded, args[summands:]))
        return operation(*args, **(kwargs or {}))

    def _rounded(self, value: object) -> object:
        if not isinstance(value, Tensor) or value.dtype != torch.float32:
            return value
        mantissa, exponent = torch.frexp(value)
        return torch.ldexp(torch.round(mantissa * self.steps) / self.steps, exponent)


def main() -> None:
    for name, (arguments, size) in CASES.items():
        first = make_model(name, arguments, pretrained=False, classes=10, channels=3, seed=0).eval()
        networks = first, _moved(first, size)
        x = torch.randn(SAMPLES, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        found = {"float32": _kernels(networks, x)}
        for kind, bits in BITS.items():
            found[f"{kind}, contractions"] = _with_rounded_contractions(networks, x, bits)
            with RoundedFactors(bits):
                found[f"{kind}, all"] = _kernels(networks, x)
        exact = _kernels([network.double() for network in networks], x.double())
        S = _turn(exact)
        for kind, kernels in found.items():
            pairs = zip(kernels, exact, strict=True)
            error = max(float((a.double() - b).norm() / b.norm()) for a, b in pairs)
            sys.stdout.write(
                f"{name}, {kind}: K off by {error:.1e}; S = {S:.5f}, off by "
                f"{abs(_turn(kernels) - S) / S:.1e} of it\n"
            )


def _kernels(networks, x: Tensor) -> list[Tensor]:
    return [as_matrix(empirical_ntk(network, x)) for network in networks]


def _with_rounded_contractions(networks, x: Tensor, bits: int) -> list[Tensor]:
    """Kernels of float32 gradients, of which only the contractions are rounded."""
    contract: Callable[..., None] = passes._contract

    def rounded(*arguments) -> None:
        with RoundedFactors(bits):
            contract(*arguments)

    with patch.object(passes, "_contract", rounded):
        return _kernels(networks, x)


def _turn(kernels: list[Tensor]) -> float:
    return 1.0 - float(_gram(kernels)[1, 0])


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
