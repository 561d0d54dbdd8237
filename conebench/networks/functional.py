"""A network as a function of its parameters: frozen copies, and calls with other parameters."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn


def frozen_copy(network: nn.Module, *, share: bool = False) -> nn.Module:
    """A copy of which no parameter asks for gradients, and whose forward passes leave no trace.

    Some networks keep tensors computed from their parameters between evaluation passes (LeViT,
    TinyViT, EfficientFormer: attention biases). A tensor kept from an earlier pass
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


def call_with(network: nn.Module, tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """The network's output for x, with `tensors` in the place of the parameters they are named for.

    A parameter that several modules share is replaced in all of them. (`torch.func`'s
    `functional_call` leaves a module that is registered under two names, as CoaT has them, with
    the replacement after the call: seen with torch 2.14.)
    """
    by_parameter = {id(network.get_parameter(name)): tensor for name, tensor in tensors.items()}
    places = [
        (module._parameters, own, parameter)
        for module in network.modules()
        for own, parameter in module._parameters.items()
        if id(parameter) in by_parameter
    ]
    try:
        for holder, own, parameter in places:
            holder[own] = by_parameter[id(parameter)]  # type: ignore[assignment]
        output: Tensor = network(x)
    finally:
        for holder, own, parameter in places:
            holder[own] = parameter
    return output


def _forget(network: nn.Module, _: object) -> None:
    for kept in _kept_tensors(network.modules()):
        kept.clear()


def _kept_tensors(modules: Iterable[nn.Module]) -> Iterator[dict[Any, Any]]:
    """Dictionaries of tensors that modules keep beside their parameters and buffers."""
    for module in modules:
        for name, value in vars(module).items():
            if not isinstance(value, dict) or name in ("_parameters", "_buffers", "_modules"):
                continue
            if any(isinstance(kept, Tensor) for kept in value.values()):
                yield value
