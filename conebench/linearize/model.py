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
    """Linearization of a network at its current parameters theta_s.

    f_lin(x; w) = f(x; theta_s) + J(x; theta_s) w, trained in w, which starts at 0. J w is one
    forward-mode pass.

    Args:
        model: network, which is copied. The copy is in evaluation mode (BatchNorm statistics
            frozen, dropout and drop-path off) and never changes.
        intercept: False leaves J w alone.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 1))
        >>> lazy, x = LinearizedModel(network), torch.ones(1, 1, 2, 2)
        >>> torch.equal(lazy(x), network(x))
        True
        >>> with torch.no_grad():
        ...     _ = lazy.displacement[1].add_(0.5)  # the bias
        >>> torch.allclose(lazy(x), network(x) + 0.5)
        True

    Source: C2, section on linearized training; Lee et al. 2019, arXiv 1902.06720, eq. 5.

    """

    def __init__(self, model: nn.Module, *, intercept: bool = True) -> None:
        super().__init__()
        # In a tuple, the frozen network's tensors are not part of this module's state: anchors are
        # in the checkpoint they come from.
        self._frozen = (frozen_copy(model).eval(),)
        # By batch size: a network may compute larger batches another way.
        self._folds: dict[int, tuple[Fold, ...]] = {}
        self.intercept = intercept
        trainable = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        self.names = tuple(name for name, _ in trainable)
        # w as tensors of its own: theta - theta_s in float32 would lose small updates.
        self.displacement = nn.ParameterList(torch.zeros_like(p) for _, p in trainable)

    @property
    def network(self) -> nn.Module:
        """The frozen network at theta_s, in evaluation mode."""
        return self._frozen[0]

    def anchors(self) -> list[Tensor]:
        """Return theta_s, in the order of the displacement tensors."""
        return [self.network.get_parameter(name) for name in self.names]

    def forward(self, x: Float[Tensor, "b ch h w"]) -> Float[Tensor, "b c"]:
        """Return the logits of the linearized model."""
        if len(x) not in self._folds:
            self._folds[len(x)] = find_folds(self.network, x)
        tangents = dict(zip(self.names, self.displacement, strict=True))
        # A forward-mode pass with theta_s as value and w as tangent of each parameter. Fused
        # attention has no forward-mode derivative.
        with sdpa_kernel(SDPBackend.MATH), forward_ad.dual_level():
            duals = {
                name: make_dual(anchor, tangents[name])
                for name, anchor in zip(self.names, self.anchors(), strict=True)
            }
            with ShortTangents(), folded(self._folds[len(x)], duals, tangents, len(x)):
                dual = call_with(self.network, duals, x)
            value, tangent = unpack_dual(dual)  # f and J w, both [b, c]
        if tangent is None:
            raise RuntimeError("the output depends on no trainable parameter")
        return value + tangent if self.intercept else tangent
