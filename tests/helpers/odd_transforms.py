"""Networks with function transforms, sparse tensors and collections with methods of their own."""

import warnings
from collections import OrderedDict

import torch
from torch import Tensor, nn


def perceptron(outputs: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, outputs))


class MappedOverRows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = perceptron(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.vmap(self.body)(x).tanh())


class MappedImages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.norm.running_mean.fill_(0.3)
        self.norm.running_var.fill_(2.0)

    def forward(self, x: Tensor) -> Tensor:
        images = x[:, None, None, :, None] * torch.arange(1, 5).to(x)  # [n, 1, 1, 2, 4]
        return torch.vmap(lambda image: self.norm(self.conv(image)))(images).tanh().sum((1, 3, 4))


class Ensemble(nn.Module):
    """Members as one mapped function."""

    def __init__(self) -> None:
        super().__init__()
        self.members = nn.ModuleList(perceptron() for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        members = [dict(member.named_parameters()) for member in self.members]
        parameters = {name: torch.stack([own[name] for own in members]) for name in members[0]}

        def member(own: dict[str, Tensor], x: Tensor) -> Tensor:
            return torch.func.functional_call(self.members[0], own, (x,))

        return torch.vmap(member, in_dims=(0, None))(parameters, x).mean(0)


class SparseAdjacency(nn.Module):
    def __init__(self, *, is_compressed: bool = False) -> None:
        super().__init__()
        ring = torch.tensor([[0.0, 1, 0], [0, 0, 2], [3, 0, 0]], dtype=torch.float64)
        # No buffer, so that it stays of this type.
        with warnings.catch_warnings():
            # "Sparse CSR tensor support is in beta state", once per process.
            warnings.simplefilter("ignore")
            self.ring = ring.to_sparse_csr() if is_compressed else ring.to_sparse_coo()
        self.body = perceptron()

    def forward(self, x: Tensor) -> Tensor:
        nodes = [torch.stack([row, 2 * row, row.square()]) for row in x]
        return torch.stack([torch.sparse.mm(self.ring, self.body(n)).tanh().sum(0) for n in nodes])


class Registry(OrderedDict):
    """Gives a new object for a class, as registries of activations do."""

    def __getitem__(self, key: str) -> nn.Module:
        return super().__getitem__(key)()


ACTIVATIONS = Registry(tanh=nn.Tanh)


class WithRegistry(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(2, 4), nn.Linear(4, 3)
        self.activation = ACTIVATIONS["tanh"]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.activation(self.hidden(x)))


class Scales(tuple):
    """Has a constructor, entries and an attribute of its own."""

    def __new__(cls, first: Tensor, last: Tensor) -> "Scales":
        made = super().__new__(cls, (first, last))
        made.factor = 2.0
        return made

    def __getnewargs__(self) -> tuple[Tensor, ...]:
        return (self[0], self[1])

    def __iter__(self) -> object:
        return iter([2 * entry for entry in tuple.__iter__(self)])


class WithTuple(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = perceptron()
        self.scales = Scales(torch.arange(1.0, 4.0, dtype=torch.float64), torch.ones(3).double())
        self.scales.factor = 3.0

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) * self.scales[0] * self.scales.factor


class MapsLargeBatches(nn.Module):
    """Gives a convolution's output to a BatchNorm and to another function, mapped if many."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Linear(3, 2)
        self.norm.running_mean.fill_(0.3)
        self.norm.running_var.fill_(2.0)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        others = torch.vmap(torch.sin)(y) if len(x) > 4 else y.sin()
        return self.head((self.norm(y).tanh() + others).mean((2, 3)))


class NeedsCompany(nn.Module):
    """Chooses by values, and refuses a lone sample."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        assert len(x) > 1
        y = self.layer(x)
        return y.tanh() if (x[:, 0] > 100).any() else y


class GradientOfEnergy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.energy = perceptron(1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.vmap(torch.func.grad(lambda row: self.energy(row).sum()))(x)
