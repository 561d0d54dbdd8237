"""Networks whose code holds on to modules and parameters past what torch registers."""

import functools
import types
import weakref

import torch
from torch import Tensor, nn


def body() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3))


def patched_forward() -> nn.Module:
    network = body()
    before = network.forward
    network.forward = lambda x: 2 * before(x)
    return network


def patched_layer() -> nn.Module:
    network = body()
    layer = network[0]
    before = layer.forward
    layer.forward = types.MethodType(lambda _, x: before(x) + layer.weight.sum(), layer)
    return network


def hook_on_another_layer() -> nn.Module:
    network = body()
    first, last = network[0], network[2]
    last.register_forward_hook(lambda _m, _x, y: y * first.bias.mean())
    return network


def hook_with_the_parameter_itself() -> nn.Module:
    network = body()
    weight = network[0].weight
    network.register_forward_hook(lambda _m, _x, y: y + weight.sum() ** 2)
    return network


def partial_with_a_module() -> nn.Module:
    def forward(layer: nn.Module, x: Tensor) -> Tensor:
        return torch.tanh(layer(x))

    network = nn.Sequential(nn.Linear(2, 3))
    network.forward = functools.partial(forward, network[0])
    return network


class WeakParent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.child = WeakChild(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.child(self.layer(x))


class WeakChild(nn.Module):
    def __init__(self, parent: nn.Module) -> None:
        super().__init__()
        self.parent = weakref.ref(parent)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x) * self.parent().layer.weight.mean()


class UnregisteredList(nn.Module):
    """A parameter used through a plain list, and a module through another one."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.scale = nn.Parameter(torch.ones(3))
        self.all = [self.scale, {"layer": self.layer}]

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.all[1]["layer"](x)) * self.all[0]
