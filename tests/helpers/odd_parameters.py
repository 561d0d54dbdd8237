"""Networks with parameters or layers of an odd kind."""

import warnings

import torch
from odd_holding import body
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint


class ComplexWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1 + 2j, 2 - 1j], dtype=torch.complex128))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = torch.tanh(x * self.weight)
        return self.head(torch.cat([z.real, z.imag], dim=1))


class Gain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.gain = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * torch.tanh(self.layer(x))


class Empty(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.none = nn.Parameter(torch.zeros(0))
        self.no_rows = nn.Parameter(torch.zeros(1, 0, 3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.layer(x)) + self.none.sum() + self.no_rows.sum((0, 1))


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.aside = nn.Linear(2, 3)
        self.token = nn.Parameter(torch.zeros(1, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class Shows(nn.Module):
    """Keeps an activation as an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.seen = self.layer(x)
        return torch.tanh(self.seen)


class Table(nn.Module):
    """A dictionary of constants."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.scale = {"a": torch.tensor(2.0, dtype=torch.float64)}

    def forward(self, x: Tensor) -> Tensor:
        return self.scale["a"] * torch.tanh(self.layer(x))


def weight_norm() -> nn.Module:
    return nn.Sequential(parametrizations.weight_norm(nn.Linear(2, 4)), nn.Tanh(), nn.Linear(4, 3))


def old_weight_norm() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = torch.nn.utils.weight_norm(nn.Linear(2, 4))
    return nn.Sequential(layer, nn.Tanh(), nn.Linear(4, 3))


def pruned() -> nn.Module:
    network = body()
    prune.random_unstructured(network[0], "weight", amount=0.5)
    return network


def spectral_norm() -> nn.Module:
    return nn.Sequential(
        parametrizations.spectral_norm(nn.Linear(2, 4)), nn.Tanh(), nn.Linear(4, 3)
    )


class Checkpointed(nn.Module):
    reentrant = False

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 4), nn.Tanh())
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = checkpoint(lambda z: self.body(z) * 2, x, use_reentrant=self.reentrant)
        return self.head(checkpoint(torch.tanh, x, use_reentrant=self.reentrant))


class CheckpointedTwice(Checkpointed):
    reentrant = True


class Recurrent(nn.Module):
    """torch's layers with weights in a list of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(1, 3, batch_first=True)
        self.head = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x[..., None])[0][:, -1])
