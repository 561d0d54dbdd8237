"""conebench.networks.containers: what a network's code can reach, read and put back."""

import functools
import types
import weakref
from collections import OrderedDict, deque
from dataclasses import dataclass

import pytest
import torch
from odd_holding import body
from odd_keeping import keeps_variable
from odd_networks import CASES
from torch import nn

from conebench.errors import KernelError
from conebench.networks import containers
from conebench.networks.containers import (
    MOST_ENTRIES,
    Attributes,
    Container,
    ListContainer,
    Slots,
    find_containers,
)


class Slotted:
    __slots__ = ("kept",)


class OneSlot:
    __slots__ = "kept"  # noqa: PLC0205  # Python allows one string

    def __init__(self, kept: object) -> None:
        self.kept = kept


@dataclass(frozen=True, slots=True)
class FrozenSlot:
    kept: object


class SameSlot(OneSlot):
    """Its base's slot holds the value."""

    __slots__ = ("kept",)

    def __init__(self, kept: object) -> None:
        OneSlot.kept.__set__(self, kept)


class PrivateSlot:
    __slots__ = ("__kept",)

    def __init__(self, kept: object) -> None:
        self.__kept = kept


class Registry(OrderedDict):
    """Makes what it gives, as registries of classes do."""

    def __getitem__(self, key: object) -> object:
        return super().__getitem__(key)()

    def __setitem__(self, key: object, value: object) -> None:
        super().__setitem__(key, value() if isinstance(value, nn.Module) else value)


class Lazy(dict):
    """Imports what it gives."""

    def values(self) -> list[object]:
        raise ImportError("nothing here")

    items = keys = __iter__ = __len__ = __getitem__ = values


class LazyList(list):
    def __iter__(self) -> object:
        raise ImportError("nothing here")


def cell(*values: object) -> Attributes:
    return Attributes(types.CellType(*values), ("cell_contents",))


@pytest.mark.parametrize(
    ("container", "before", "other"),
    [
        (Container({"a": 1, "b": 2}), {"a": 1, "b": 2}, {"b": 3}),
        (Container({"a": 1, "b": 2}, ("b", "c")), {"b": 2}, {"c": 3}),
        (ListContainer([1, 2]), {0: 1, 1: 2}, {0: 2}),
        (ListContainer(deque([1])), {0: 1}, {0: 2, 1: 3}),
        (ListContainer({1}), {0: 1}, {0: 2}),
        (cell(1), {"cell_contents": 1}, {"cell_contents": 2}),
        (cell(), {}, {"cell_contents": 2}),
        (Attributes(Slotted(), ("kept",)), {}, {"kept": 2}),
        (Slots(Slotted(), {"kept": Slotted.kept}), {}, {"kept": 2}),
    ],
)
def test_entries_are_read_and_put_back(container: Container, before: dict, other: dict) -> None:
    assert container.read() == before
    container.write(other)
    assert container.read() == other
    container.write(before)
    assert container.read() == before


def test_chosen_names_leave_the_others() -> None:
    entries = {"a": 1, "b": 2}
    Container(entries, ("b",)).write({})
    assert entries == {"a": 1}


@pytest.mark.parametrize(
    ("collection", "container"),
    [
        (Registry(relu=nn.ReLU), Container),
        (Lazy(relu=nn.ReLU), Container),
        (LazyList([nn.ReLU]), ListContainer),
    ],
)
def test_collections_with_methods_of_their_own_are_read_by_pythons(
    collection: object, container: type[Container]
) -> None:
    network = nn.Linear(1, 1)
    network.holder = collection
    assert nn.ReLU in values(network)
    own = container(collection)
    before = own.read()
    assert list(before.values()) == [nn.ReLU]
    own.write({})
    assert own.read() == {}
    own.write(before)
    assert own.read() == before


def values(network: nn.Module) -> list[object]:
    return [v for _, container in find_containers(network) for v in container.read().values()]


@pytest.mark.parametrize(
    "name",
    ["keeps_attribute", "keeps_buffer", "keeps_nested", "keeps_list", "keeps_object"],
)
def test_tensors_kept_by_a_pass_are_found(name: str) -> None:
    case = CASES[name]
    network = case.network()
    kept, network.made = network.made(), lambda: kept
    network.kept()
    del network.made
    assert any(value is kept for value in values(network))


@pytest.mark.parametrize("kind", [OneSlot, PrivateSlot, FrozenSlot, SameSlot])
def test_every_spelling_of_slots_is_read(kind: type) -> None:
    network = nn.Linear(2, 1)
    network.holder = kind("a value")
    (slots,) = [c for _, c in find_containers(network) if isinstance(c, Slots)]
    (name,) = (before := slots.read())
    assert before == {name: "a value"}
    slots.write({name: "another"})
    assert slots.read() == {name: "another"}
    slots.write({})
    assert slots.read() == {}


def test_variables_of_hooks_are_found() -> None:
    network = keeps_variable().eval()
    network(torch.ones(1, 2))
    kept = torch.tanh(network[0].bias).sum()
    assert any(isinstance(v, torch.Tensor) and torch.equal(v, kept) for v in values(network))


def test_layers_are_reached_through_all_that_holds_on_to_them() -> None:
    hidden = [nn.Linear(1, 1) for _ in range(5)]
    network = body()
    network.plain = [{"a": hidden[0]}]
    network.weak = weakref.ref(hidden[1])
    network.partial = functools.partial(print, hidden[2])
    network.register_forward_hook(lambda _m, _x, _y: hidden[3] and None)
    network.forward = types.MethodType(lambda _, x, last=hidden[4]: last(x), network)
    reached = {id(value) for value in values(network)}
    assert reached >= {id(layer.weight) for layer in hidden}


def test_a_long_collection_is_data() -> None:
    network = body()
    network.data = list(range(MOST_ENTRIES + 1))
    network.few = [1]
    lists = [c.read() for _, c in find_containers(network) if isinstance(c, ListContainer)]
    assert lists == [{0: 1}]


def test_a_long_list_of_modules_is_a_part_of_the_network() -> None:
    modules = [nn.Identity() for _ in range(MOST_ENTRIES + 1)]
    modules[-1].kept = "a value"
    network = nn.Linear(1, 1)
    network.plain = [None, *modules]
    assert "a value" in values(network)
    assert "a value" in values(nn.ModuleList(modules))


def test_more_than_can_be_kept_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MOST_CONTAINERS", 10)
    with pytest.raises(KernelError, match="reaches more than 10 objects and collections"):
        find_containers(body())


def test_each_container_is_found_once() -> None:
    network = body()
    network.a = network.b = shared = {}
    shared["itself"] = shared
    found = find_containers(network)
    assert sum(container.read().get("itself") is shared for _, container in found) == 1
