"""A network's linearization as an ordinary module."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from conebench.linearize.batchnorm_folding import Fold, find_folds, folded
from conebench.linearize.fast_tangents import ShortTangents, make_dual, unpack_dual
from conebench.networks.functional import call_with, frozen_copy


class LinearizedModel(nn.Module):
    """f_lin(x; w) = f(x; theta_s) + J(x; theta_s) w, trained in w, which starts at 0.

    The network is copied at theta_s, put into evaluation mode (BatchNorm statistics frozen,
    dropout and drop-path off) and never changes; J w is one forward-mode pass. `w` is stored as
    its own tensors, in the order of the network's trainable parameters, since theta - theta_s in
    float32 loses small updates. With `intercept=False` the model is J w alone.

    Source: C2, section on linearized training; Lee et al. 2019, arXiv 1902.06720, eq. 5.
    """

    def __init__(self, model: nn.Module, *, intercept: bool = True) -> None:
        super().__init__()
        # In a tuple, the frozen network's tensors are no state of this module: anchors are given
        # by the checkpoint they come from.
        self._frozen = (frozen_copy(model).eval(),)
        # By batch size: a network may take another way for a larger batch.
        self._folds: dict[int, tuple[Fold, ...]] = {}
        self.intercept = intercept
        trainable = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        self.names = tuple(name for name, _ in trainable)
        self.displacement = nn.ParameterList(torch.zeros_like(p) for _, p in trainable)

    @property
    def network(self) -> nn.Module:
        """The frozen network at theta_s, in evaluation mode."""
        return self._frozen[0]

    def anchors(self) -> list[Tensor]:
        """theta_s, in the order of the displacement tensors."""
        return [self.network.get_parameter(name) for name in self.names]

    def forward(self, x: Float[Tensor, "b ch h w"]) -> Float[Tensor, "b c"]:
        """Logits [b, c] of the linearized model."""
        if len(x) not in self._folds:
            self._folds[len(x)] = find_folds(self.network, x)
        tangents = dict(zip(self.names, self.displacement, strict=True))
        # Fused attention has no forward-mode derivative.
        with sdpa_kernel(SDPBackend.MATH), forward_ad.dual_level():
            duals = {
                name: make_dual(anchor, tangents[name])
                for name, anchor in zip(self.names, self.anchors(), strict=True)
            }
            with ShortTangents(), folded(self._folds[len(x)], duals, tangents, len(x)):
                dual = call_with(self.network, duals, x)
            value, tangent = unpack_dual(dual)
        if tangent is None:
            raise RuntimeError("the output depends on no trainable parameter")
        return value + tangent if self.intercept else tangent
