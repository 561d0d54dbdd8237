"""A network's outputs, centred at its initial function and scaled: the knob from rich to lazy."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from conebench.networks.functional import frozen_copy


class ScaledOutput(nn.Module):
    """alpha (f(x; theta) - f_0(x)), trained in theta; f_0 is the network as it is given.

    The parameters of f_0 never change, and it has no dropout. Its BatchNorm does what that of the
    network does (batch statistics in training, running ones of the same images otherwise), so the
    output is zero at the start in either mode. At a learning rate divided by alpha^2, training
    tends to that of the linearization as alpha grows. The empirical NTK is alpha^2 times that of f.

    Source: Chizat, Oyallon, Bach 2019, arXiv 1812.07956, section 1; there the initial function is
    zero by construction, here by subtraction.
    """

    def __init__(self, network: nn.Module, scale: float) -> None:
        super().__init__()
        self.initial = frozen_copy(network)
        self.network = network
        self.scale = scale
        self.train(network.training)

    def forward(self, x: Float[Tensor, "b ch h w"]) -> Float[Tensor, "b c"]:
        """Scaled logits [b, c]."""
        with torch.no_grad():
            f_0 = self.initial(x)
        logits: Tensor = self.scale * (self.network(x) - f_0)
        return logits

    def train(self, mode: bool = True) -> "ScaledOutput":
        """As a module's own, but of f_0 only BatchNorm is ever in training mode."""
        super().train(mode)
        self.initial.eval()
        for module in self.initial.modules():
            if isinstance(module, _BatchNorm):
                module.train(mode)
        return self

    def get_classifier(self) -> Any:
        """The network's last layer, as timm's models give it."""
        return self.network.get_classifier()  # type: ignore[operator]
