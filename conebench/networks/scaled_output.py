"""Outputs relative to the initial function, scaled."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from conebench.networks.copies import copied


class ScaledOutput(nn.Module):
    """Network with output alpha (f(x; theta) - f_0(x)).

    f_0 is the network at its current parameters, which never change, without dropout. Its BatchNorm
    does what that of the network does (batch statistics in training, otherwise running ones of the
    same images), so the output is zero at the start in either mode. At a learning rate divided by
    alpha^2, training tends to that of the linearization as alpha grows. The empirical NTK is
    alpha^2 times that of f.

    Args:
        network: f, which is not copied.
        scale: alpha.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
        >>> ScaledOutput(network, 10.0)(torch.ones(1, 1, 2, 2)).abs().sum().item()
        0.0

    Source: Chizat, Oyallon, Bach 2019, arXiv 1812.07956, section 1; there the initial function is
    zero by construction, here by subtraction.

    """

    def __init__(self, network: nn.Module, scale: float) -> None:
        super().__init__()
        # A copy, since the network itself is trained.
        self.initial = copied(network).requires_grad_(False)
        self.network = network
        self.scale = scale
        self.train(network.training)

    def forward(self, x: Float[Tensor, "b ch h w"]) -> Float[Tensor, "b c"]:
        """Return the scaled logits."""
        # f_0 has no parameters to train, so its pass keeps nothing. Cloned, since a network may
        # change its inputs in place.
        with torch.no_grad():
            f_0 = self.initial(x.clone())
        logits: Tensor = self.scale * (self.network(x) - f_0)
        return logits

    def train(self, mode: bool = True) -> "ScaledOutput":
        """Set the mode of the network and f_0's BatchNorm."""
        super().train(mode)
        # The rest of f_0 stays in evaluation mode: no dropout.
        self.initial.eval()
        for module in self.initial.modules():
            if isinstance(module, _BatchNorm):
                module.train(mode)
        return self

    def get_classifier(self) -> Any:
        """Return the network's last layer, as timm's models do."""
        return self.network.get_classifier()  # type: ignore[operator]
