"""Networks that keep tensors made of parameters between passes, or count their passes."""

import functools
import itertools
import types
import weakref
from dataclasses import dataclass

import numpy as np
import torch
from odd_holding import body
from torch import Tensor, nn


class Keeps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.bias = nn.Parameter(torch.randn(3))

    def made(self) -> Tensor:
        return torch.tanh(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * self.kept()


class KeepsAttribute(Keeps):
    value: Tensor | None = None

    def kept(self) -> Tensor:
        if self.value is None:
            self.value = self.made()
        return self.value


class KeepsBuffer(Keeps):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", None)

    def kept(self) -> Tensor:
        if self.value is None:
            self.value = self.made()
        return self.value


class KeepsDeletable(Keeps):
    def kept(self) -> Tensor:
        if not hasattr(self, "value"):
            self.value = self.made()
        return self.value


class KeepsProperty(Keeps):
    @functools.cached_property
    def value(self) -> Tensor:
        return self.made()

    def kept(self) -> Tensor:
        return self.value


class KeepsNested(Keeps):
    def __init__(self) -> None:
        super().__init__()
        self.values = {"constant": torch.tensor(2.0, dtype=torch.float64), "by": {}}

    def kept(self) -> Tensor:
        by_device = self.values["by"]
        if "cpu" not in by_device:
            by_device["cpu"] = [self.made()]
        return self.values["constant"] * by_device["cpu"][0]


@dataclass(frozen=True)
class Made:
    value: Tensor


class KeepsNewObject(Keeps):
    """It makes the object along with the tensor in it, so it fails without the tensor alone."""

    made_object: Made | None = None

    def kept(self) -> Tensor:
        if self.made_object is None:
            self.made_object = Made(self.made())
        return self.made_object.value


class KeepsDeep(Keeps):
    def __init__(self) -> None:
        super().__init__()
        self.by_kind = {}

    def kept(self) -> Tensor:
        if not self.by_kind:
            self.by_kind["a"] = {"b": {"c": {"d": {"e": {"f": self.made()}}}}}
        return self.by_kind["a"]["b"]["c"]["d"]["e"]["f"]


class KeepsList(Keeps):
    def __init__(self) -> None:
        super().__init__()
        self.values = []

    def kept(self) -> Tensor:
        if not self.values:
            self.values.append(self.made())
        return self.values[0]


class KeepsTuple(Keeps):
    value = None

    def kept(self) -> Tensor:
        if self.value is None:
            self.value = (3, self.made())
        return self.value[1]


class Store:
    def __init__(self) -> None:
        self.value = None


class KeepsObject(Keeps):
    def __init__(self) -> None:
        super().__init__()
        self.store = Store()

    def kept(self) -> Tensor:
        if self.store.value is None:
            self.store.value = self.made()
        return self.store.value


class KeepsMemo(Keeps):
    @functools.lru_cache(maxsize=4)  # noqa: B019  # what is tested
    def kept(self) -> Tensor:
        return self.made()


GLOBAL_MEMO: dict[int, Tensor] = {}
KEYS = itertools.count()


class KeepsGlobal(Keeps):
    def __init__(self) -> None:
        super().__init__()
        # Not its id, which a network of an earlier test may have had.
        self.key = next(KEYS)

    def kept(self) -> Tensor:
        if self.key not in GLOBAL_MEMO:
            GLOBAL_MEMO[self.key] = self.made()
        return GLOBAL_MEMO[self.key]


STORE = types.ModuleType("a_module_of_a_user")
STORE.kept_values = types.ModuleType("a_module_of_a_user.kept_values")
STORE.kept_values.BY_KEY = {}


class KeepsInAnotherModule(KeepsGlobal):
    def kept(self) -> Tensor:
        if self.key not in STORE.kept_values.BY_KEY:
            STORE.kept_values.BY_KEY[self.key] = self.made()
        return STORE.kept_values.BY_KEY[self.key]


HOLDER = types.SimpleNamespace(by_key=None)


class KeepsInAHolder(KeepsGlobal):
    def kept(self) -> Tensor:
        if HOLDER.by_key is None or HOLDER.by_key[0] != self.key:
            HOLDER.by_key = (self.key, self.made())
        return HOLDER.by_key[1]


class KeepsById(Keeps):
    """Finds what it keeps by the parameter that it was made of."""

    def __init__(self) -> None:
        super().__init__()
        self.values = {}

    def kept(self) -> Tensor:
        if id(self.bias) not in self.values:
            self.values[id(self.bias)] = self.made()
        return self.values[id(self.bias)]


class KeepsOnAParameter(Keeps):
    def kept(self) -> Tensor:
        if not hasattr(self.bias, "kept"):
            self.bias.kept = self.made()
        return self.bias.kept


class KeepsSet(Keeps):
    def __init__(self) -> None:
        super().__init__()
        self.values = set()

    def kept(self) -> Tensor:
        if not self.values:
            self.values.add(self.made())
        return next(iter(self.values))


BY_NETWORK = weakref.WeakKeyDictionary()


class KeepsWeakly(Keeps):
    def kept(self) -> Tensor:
        if self not in BY_NETWORK:
            BY_NETWORK[self] = self.made()
        return BY_NETWORK[self]


class Shelf:
    value: Tensor | None = None
    owner: object = None


class KeepsInAClass(Keeps):
    """Keeps in a class that it mentions, for the network that was last used."""

    def kept(self) -> Tensor:
        if Shelf.value is None or Shelf.owner != id(self):
            Shelf.value, Shelf.owner = self.made(), id(self)
        return Shelf.value


def keeps_variable() -> nn.Module:
    network = body()
    kept = None

    def hook(_m: nn.Module, _x: object, y: Tensor) -> Tensor:
        nonlocal kept
        if kept is None:
            kept = torch.tanh(network[0].bias).sum()
        return y * kept

    network.register_forward_hook(hook)
    return network


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.register_buffer("count", torch.zeros(()))
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.layer(x)) * torch.exp(-self.count)
        self.count.add_(1)
        self.calls += 1
        return y


class CountsInAClass(nn.Module):
    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        type(self).calls = 0

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.layer(x)) * 0.5 ** type(self).calls
        type(self).calls += 1
        return y


class WritesToAView(nn.Module):
    """Two buffers share their memory."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.register_buffer("whole", torch.ones(3, dtype=torch.float64))
        self.register_buffer("part", self.whole[:1])

    def forward(self, x: Tensor) -> Tensor:
        self.part.fill_(3.0)
        return torch.tanh(self.layer(x)) * self.whole


class CountsInArray(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.counts = nn.Linear(2, 3), {"calls": np.zeros(2)}

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.layer(x)) * float(np.exp(-self.counts["calls"][0]))
        self.counts["calls"] += 1
        return y


class CountsData(Counts):
    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.layer(x)) * torch.exp(-self.count)
        self.count.data += 1
        return y


class MovingMean(Counts):
    """Its output depends on the mean of the batch."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        self.count.mul_(0.9).add_(0.1 * y.detach().mean())
        return y - self.count


class ChangesAFrozenWeight(nn.Module):
    """Scales a weight that is not trained; it also has a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.layer.weight.requires_grad_(False)
        self.constant = torch.ones(3, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.layer.weight.mul_(0.9)
        return self.layer(x) * self.constant


class ChangesItsWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.layer.weight.mul_(0.9)
        return self.layer(x)
