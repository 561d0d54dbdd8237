"""Networks that take another path for other values, or only some kinds of inputs."""

import numpy as np
import torch
from torch import Tensor, nn


class Clipped(nn.Linear):
    """Clips what the first and last of the samples do not reach."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).clamp(-0.5, 0.5)


def clipped() -> nn.Module:
    network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), Clipped(8, 3))
    with torch.no_grad():
        network[2].weight.mul_(0.3)
        network[2].bias.mul_(0.3)
    return network


def clipping_hook() -> nn.Module:
    network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3))
    network[0].register_forward_hook(lambda _, __, output: output.clamp(-0.8, 0.8))
    return network


class Switch(nn.Module):
    """A parameter that is not trained chooses the path."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.flag = nn.Parameter(torch.zeros(()), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if self.flag == 0 else self.layer(x).tanh() * self.layer(x)


class ChangesItsInput(nn.Module):
    """Scales its inputs in place, before and after its first layer takes them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 4), nn.Tanh())
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x.mul_(-1.5))) + self.layers(x * 1.0).sum(1, keepdim=True)


class SparseTable(nn.Module):
    """Looks up rows of a table whose gradient is sparse."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(4, 2, sparse=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        rows = (x * 10).round().long().remainder(4)
        return self.head(torch.tanh(self.table(rows)).flatten(1))


def clips_a_gradient() -> nn.Module:
    network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3))
    network[0].weight.register_hook(lambda gradient: gradient.clamp(-5.0, 5.0))
    return network


class PassesOn(nn.Module):
    """Has all attributes of the network in it, which may be a compiled one."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.scale = nn.Linear(2, 3), nn.Parameter(torch.full((3,), 2.0))
        self.model._orig_mod = nn.Linear(2, 3)

    def __getattr__(self, name: str) -> object:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("model"), name)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) * self.scale


class WithArray(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.mean = np.zeros(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x - torch.from_numpy(self.mean).to(x))


class EvenBatches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        if len(x) % 2:
            raise ValueError("got an odd number of samples")
        return self.layer(x)


class Tokens(nn.Module):
    """Turns its inputs to numbers of tokens, so that no gradient reaches them."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(8, 4)
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.table(x.long().abs() % 8).mean(1))


class FrozenBackbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(2, 8).requires_grad_(False)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.backbone(x).tanh()
        return self.head(features)


class FloatOnly(nn.Module):
    """Refuses any other type than its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        assert x.dtype == torch.float32
        return self.layer(x)


class SkipsNorm(nn.Module):
    """Uses what its convolution gives a second time where an input is large."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv(x)
        y = self.norm(z)
        if bool((x.detach() > 5).any()):
            y = y + z
        return self.head(y.mean((2, 3)))


class SkipsNormIfLarge(SkipsNorm):
    """Does so for large images."""

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv(x)
        y = self.norm(z)
        return self.head((y + z if x.shape[-1] > 4 else y).mean((2, 3)))
