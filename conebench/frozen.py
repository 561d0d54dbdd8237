"""A network as a fixed function: a copy that asks for no gradients and remembers nothing."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn


def frozen_copy(network: nn.Module, *, share: bool = False) -> nn.Module:
    """A copy of which no parameter asks for gradients, and whose forward passes leave no trace.

    Some networks keep tensors computed from their parameters between evaluation passes (LeViT,
    TinyViT, EfficientFormer, EfficientViT: attention biases). A tensor kept from an earlier pass
    drops the gradient of its parameters, or belongs to other parameters, without a word. The copy
    forgets them before each pass. With `share` it uses the network's own tensors, not copies.
    """
    memo: dict[int, Any] = {id(kept): {} for kept in _kept_tensors(network.modules())}
    if share:
        for parameter in network.parameters():
            memo[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
        memo |= {id(buffer): buffer for buffer in network.buffers()}
    frozen = copy.deepcopy(network, memo).requires_grad_(False)
    frozen.register_forward_pre_hook(_forget)
    return frozen


def _forget(network: nn.Module, _: object) -> None:
    for kept in _kept_tensors(network.modules()):
        kept.clear()


def _kept_tensors(modules: Iterable[nn.Module]) -> Iterator[dict[Any, Any]]:
    """Dictionaries of tensors that modules keep beside their parameters and buffers."""
    for module in modules:
        for name, value in vars(module).items():
            own = name in ("_parameters", "_buffers", "_modules")
            if isinstance(value, dict) and not own:
                if any(isinstance(kept, Tensor) for kept in value.values()):
                    yield value
