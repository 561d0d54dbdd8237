"""A network's outputs, centred at its initial function and scaled: the knob from rich to lazy."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from conebench.frozen import frozen_copy


class ScaledOutput(nn.Module):
    """alpha (f(x; theta) - f_0(x)), trained in theta.

    f_0 is `initial` in evaluation mode, copied and never changed. At a fixed learning rate divided
    by alpha^2, training tends to that of the linearization as alpha grows. The empirical NTK is
    alpha^2 times that of f.

    Source: Chizat, Oyallon, Bach 2019, arXiv 1812.07956, section 1; there the initial function is
    zero by construction, here by subtraction.
    """

    def __init__(self, network: nn.Module, initial: nn.Module, scale: float) -> None:
        super().__init__()
        self.network = network
        # In a tuple, f_0 is no state of this module: it is given by the initialization.
        self._initial = (frozen_copy(initial).eval(),)
        self.scale = scale

    def forward(self, x: Float[Tensor, "b ch h w"]) -> Float[Tensor, "b c"]:
        """Scaled logits [b, c]."""
        with torch.no_grad():
            f_0 = self._initial[0](x)
        logits: Tensor = self.scale * (self.network(x) - f_0)
        return logits

    def get_classifier(self) -> Any:
        """The network's last layer, as timm's models give it."""
        return self.network.get_classifier()  # type: ignore[operator]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ScaledOutput":
        # What moves or converts the network does so to f_0 too.
        self._initial[0]._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return super()._apply(fn, recurse)  # type: ignore[no-any-return, no-untyped-call]
