"""Every place where a network's code can keep something from one pass to the next."""

import functools
import gc
import inspect
import sys
import types
import weakref
from collections import ChainMap, OrderedDict, UserDict, UserList, deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from conebench.errors import KernelError

Content = dict[Any, Any]

# More entries are data rather than something that a forward pass keeps.
MOST_ENTRIES = 4096
MOST_CONTAINERS = 1_000_000
MEMO = type(functools.lru_cache(lambda: None))
ATOMS = frozenset(
    {type(None), bool, int, float, complex, str, bytes, types.ModuleType, torch.dtype}
    | {torch.device, torch.Size, torch.Generator, Tensor, nn.Parameter}
)
# Kinds that keep no tensor of their own, but may lead to something that does.
TRANSPARENT = (
    *(tuple, frozenset, functools.partial, types.MethodType),
    *(property, staticmethod, classmethod, functools.cached_property, types.MappingProxyType),
)
# Objects that hold others.
HOLDERS = (
    *(weakref.WeakKeyDictionary, weakref.WeakValueDictionary, functools.partial),
    *(types.SimpleNamespace, types.MappingProxyType, ChainMap, UserDict, UserList),
)
DATA = (Tensor, dict, list, deque, tuple, set, bool, int, float, str)
COLLECTIONS: tuple[Any, ...] = (list, deque, set)
# Of torch's dicts and sets in each module those that passes leave empty: most of all there are.
LEFT_EMPTY = {name for name, entry in vars(nn.Module()).items() if isinstance(entry, dict | set)}
LEFT_EMPTY -= {"_buffers", "_forward_hooks", "_forward_pre_hooks"}
GROWING = {"_modules", "_parameters"}
# Packages whose functions and objects keep no tensors of a network.
FOREIGN = (
    *("torch", "numpy", "builtins", "functools", "typing", "logging", "threading", "inspect"),
    *("sympy", "mpmath"),
)


class Container:
    """The entries of a dict, or those of the chosen names.

    Read and written by the methods of dict itself: those of a subclass may build or import what
    they return.
    """

    def __init__(self, entries: dict[Any, Any], names: tuple[str, ...] | None = None) -> None:
        self._entries = entries
        self._names = names
        self._kind = OrderedDict if isinstance(entries, OrderedDict) else dict

    def read(self) -> Content:
        """Return a copy of the entries."""
        if self._names is not None:
            has, get = self._kind.__contains__, self._kind.__getitem__
            own = self._entries
            return {name: get(own, name) for name in self._names if has(own, name)}
        # A plain copy is the quickest.
        is_exact = type(self._entries) is dict
        return self._entries.copy() if is_exact else dict(self._kind.items(self._entries))

    def write(self, content: Content) -> None:
        """Put these entries in place of those that are there."""
        for name in self.read():
            self._kind.__delitem__(self._entries, name)
        for name, value in content.items():
            self._kind.__setitem__(self._entries, name, value)


class ListContainer(Container):
    """A list, deque or set, its entries by number."""

    def __init__(self, entries: Any) -> None:
        self._list = entries
        self._own = next(kind for kind in COLLECTIONS if isinstance(entries, kind))

    def read(self) -> Content:
        """Return the entries by number."""
        return dict(enumerate(self._own.__iter__(self._list)))

    def write(self, content: Content) -> None:
        """Put these entries in place of those that are there."""
        add = self._own.update if self._own is set else self._own.extend
        self._own.clear(self._list)
        add(self._list, content.values())


class Attributes(Container):
    """Attributes of a class, of an object with slots, or of a variable that functions share."""

    def __init__(self, owner: Any, names: tuple[str, ...]) -> None:
        self._owner = owner
        self._attributes = names

    def read(self) -> Content:
        """Return the attributes that are set."""
        found = {}
        for name in self._attributes:
            # A variable without a value raises a ValueError.
            try:
                found[name] = getattr(self._owner, name)
            except (AttributeError, ValueError):
                continue
        return found

    def write(self, content: Content) -> None:
        """Set the attributes given and delete the others."""
        # Not by setattr, which a class or a metaclass may override.
        kind = type if isinstance(self._owner, type) else object
        for name in self.read().keys() - content.keys():
            kind.__delattr__(self._owner, name)
        for name, value in content.items():
            kind.__setattr__(self._owner, name, value)


class Slots(Container):
    """Slots of an object, by their descriptors.

    The attributes of these names may be private, overridden or frozen.
    """

    def __init__(self, owner: Any, slots: dict[str, Any]) -> None:
        self._owner = owner
        self._slots = slots

    def read(self) -> Content:
        """Return the slots that are set."""
        found = {}
        for name, slot in self._slots.items():
            with suppress(AttributeError):
                found[name] = slot.__get__(self._owner)
        return found

    def write(self, content: Content) -> None:
        """Set the slots given and empty the others."""
        for name in self.read().keys() - content.keys():
            self._slots[name].__delete__(self._owner)
        for name, value in content.items():
            self._slots[name].__set__(self._owner, value)


class Memo(Container):
    """A memo of `functools.lru_cache`, which can only be emptied. It fills up by itself."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def read(self) -> Content:
        """Return something new each time unless it is empty, so that it is always emptied."""
        return {"": object()} if self._function.cache_info().currsize else {}

    def write(self, content: Content) -> None:  # noqa: ARG002
        """Empty it."""
        self._function.cache_clear()


def entries_of(collection: Any) -> Iterable[Any]:
    """Return the entries of a collection, by the methods of Python's own kinds."""
    if isinstance(collection, dict):
        return Container(collection).read().values()
    own: Any = next(kind for kind in (*COLLECTIONS, tuple) if isinstance(collection, kind))
    entries: Iterable[Any] = own.__iter__(collection)
    return entries


def find_containers(network: nn.Module, *, may_grow: bool = False) -> list[tuple[str, Container]]:
    """Return every container that the network's code can reach, each with a label.

    With `may_grow` also those in which modules without parts keep modules and parameters. Goes
    through modules, their attributes, collections and objects in them, hooks, the variables
    that functions share, and the global names that the classes' own code mentions.
    """
    return _Search(network, LEFT_EMPTY - GROWING if may_grow else LEFT_EMPTY).found


class _Search:
    """Visits each object once and keeps the containers."""

    def __init__(self, root: nn.Module, left_empty: Collection[str]) -> None:
        self._left_empty = left_empty
        self.found: list[tuple[str, Container]] = []
        # Slots of the classes met so far.
        self._slots: dict[type, dict[str, Any]] = {}
        # By id; kept alive until the end, so that no id is used twice.
        seen: dict[int, Any] = {}
        waiting: list[tuple[str, Any]] = [(type(root).__name__, root)]
        while waiting:
            if len(self.found) > MOST_CONTAINERS:
                raise KernelError(
                    f"the network's code reaches more than {MOST_CONTAINERS:,} objects and "
                    "collections, too many to keep their state"
                )
            place, value = waiting.pop()
            if type(value) not in ATOMS and id(value) not in seen:
                seen[id(value)] = value
                waiting.extend(self._inside(place, value))
            elif isinstance(value, nn.Parameter) and id(value) not in seen:
                # Its attributes.
                seen[id(value)] = value
                waiting.append((place, vars(value)))

    def _inside(self, place: str, value: Any) -> Iterator[tuple[str, Any]]:
        """Keep the container that an object is, and yield what is inside the object."""
        if isinstance(value, types.FunctionType):
            yield from self._function(place, value)
        elif isinstance(value, MEMO):
            self.found.append((place, Memo(value)))
            yield place, value.__wrapped__
        elif isinstance(value, types.CellType):
            yield from self._attributes(place, value, ("cell_contents",))
        elif isinstance(value, weakref.ref):
            yield place, value()
        elif isinstance(value, type):
            yield from self._class(value)
        elif isinstance(value, dict | list | deque | set):
            yield from self._collection(place, value)
        elif isinstance(value, TRANSPARENT):
            inside = gc.get_referents(value)
            yield from ((place, entry) for entry in inside if len(inside) <= MOST_ENTRIES)
        elif isinstance(value, nn.Module):
            yield from self._module(type(value).__name__, value)
        elif not is_foreign(type(value)):
            yield from self._object(place, value)

    def _module(self, label: str, module: nn.Module) -> Iterator[tuple[str, Any]]:
        # A parametrization gives a module a class of its own, with properties for parameters.
        self.found.append((label, Attributes(module, ("__class__",))))
        if is_parametrized(module):
            names = tuple(module.get_submodule("parametrizations")._modules)
            self.found.append((label, Attributes(type(module), names)))
        yield from self._object(label, module)

    def _collection(self, place: str, value: Any) -> Iterator[tuple[str, Any]]:
        entries = list(entries_of(value))
        # Thousands of modules, or of parameters, are a part of the network.
        parts = (nn.Module, nn.Parameter)
        if len(entries) <= MOST_ENTRIES or any(isinstance(entry, parts) for entry in entries):
            kind = Container if isinstance(value, dict) else ListContainer
            self.found.append((place, kind(value)))
            yield from ((place, entry) for entry in entries)

    def _attributes(
        self, place: str, owner: Any, names: tuple[str, ...]
    ) -> Iterator[tuple[str, Any]]:
        container = Attributes(owner, names)
        self.found.append((place, container))
        yield from ((place, entry) for entry in container.read().values())

    def _object(self, place: str, value: Any) -> Iterator[tuple[str, Any]]:
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict):
            self.found.append((place, Container(attributes)))
            for name, entry in attributes.items():
                if type(entry) not in ATOMS and (name not in self._left_empty or entry):
                    yield f"{place}.{name}", entry
        kind = type(value)
        if kind not in self._slots:
            self._slots[kind] = _slots_of(kind)
            yield from ((cls.__name__, cls) for cls in kind.__mro__)
        if self._slots[kind]:
            slots = Slots(value, self._slots[kind])
            self.found.append((place, slots))
            yield from ((place, entry) for entry in slots.read().values())

    def _class(self, cls: type) -> Iterator[tuple[str, Any]]:
        """Keep data of a class, and yield all that its methods reach."""
        if is_foreign(cls) or issubclass(cls, Enum):
            return
        own = {name: value for name, value in vars(cls).items() if not name.startswith("__")}
        data = tuple(name for name, value in own.items() if _is_data(value))
        if data:
            yield from self._attributes(cls.__name__, cls, data)
        for name, value in vars(cls).items():
            if isinstance(value, (types.FunctionType, MEMO, *TRANSPARENT)):
                yield f"{cls.__name__}.{name}", value

    def _function(self, place: str, value: types.FunctionType) -> Iterator[tuple[str, Any]]:
        """Keep global data, and yield variables shared with others, defaults and globals."""
        if is_foreign(value):
            return
        attributes = vars(value) or None
        for inside in (value.__closure__, value.__defaults__, value.__kwdefaults__, attributes):
            yield place, inside
        names = _names(value.__code__)
        for module, scope in _scopes(value.__module__, value.__globals__, names):
            data = tuple(name for name in names if name in scope and _is_data(scope[name]))
            if data:
                self.found.append((f"{module}, global {data}", Container(scope, data)))
            for name in names:
                found = scope.get(name)
                is_code = isinstance(found, (types.FunctionType, MEMO, nn.Module))
                if name in data or is_code or _is_near(found, value):
                    yield f"{module}.{name}", found


def _slots_of(kind: type) -> dict[str, Any]:
    """Return the slots of a class and of those it inherits from, which may have the same name."""
    found: dict[str, Any] = {}
    for cls in kind.__mro__:
        own = vars(cls).items() if "__slots__" in vars(cls) else ()
        for name, slot in own:
            if inspect.ismemberdescriptor(slot):
                found[f"{cls.__name__}.{name}" if name in found else name] = slot
    return found


def _scopes(
    module: str, scope: dict[str, Any], names: Iterable[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the variables of a module, and of a user's modules that it reaches by these names."""
    waiting, seen = [(module, scope)], {id(scope)}
    while waiting:
        module, scope = waiting.pop()
        yield module, scope
        for found in (scope.get(name) for name in names):
            if isinstance(found, types.ModuleType) and id(vars(found)) not in seen:
                seen.add(id(vars(found)))
                top = found.__name__.partition(".")[0]
                if top == module.partition(".")[0] or _is_own(found):
                    waiting.append((found.__name__, vars(found)))


def _is_own(module: types.ModuleType) -> bool:
    """Return False for a module of Python or of an installed package."""
    return _is_own_file(module.__name__, getattr(module, "__file__", None) or "")


@functools.cache
def _is_own_file(module: str, file: str) -> bool:
    installed = {"site-packages", "dist-packages"} & set(Path(file).parts)
    return not installed and module.partition(".")[0] not in sys.stdlib_module_names


@functools.cache
def _names(code: types.CodeType) -> tuple[str, ...]:
    """Return the names that a function mentions, with those of functions defined in it."""
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return tuple(dict.fromkeys((*code.co_names, *(n for c in inner for n in _names(c)))))


def _is_data(value: Any) -> bool:
    """Return True for values that a forward pass may set, fill or count with."""
    return value is None or isinstance(value, DATA)


def _is_near(value: Any, function: types.FunctionType) -> bool:
    """Return True for standard collections, and classes and objects of a user's own code."""
    cls = value if isinstance(value, type) else type(value)
    own, other = (str(kind.__module__).partition(".")[0] for kind in (cls, function))
    if own == other or issubclass(cls, HOLDERS):
        return True
    module = sys.modules.get(str(cls.__module__))
    return module is not None and _is_own(module)


def is_plain(value: Any) -> bool:
    """Return True for an object that only holds attributes, such as that of a dataclass."""
    other = callable(value) or isinstance(value, nn.Module | type) or is_foreign(type(value))
    return not other and isinstance(getattr(value, "__dict__", None), dict)


def is_foreign(value: Any) -> bool:
    """Return True for a function or class of a package that keeps no tensors of a network."""
    module = getattr(value, "__module__", None)
    return not isinstance(module, str) or module.partition(".")[0] in FOREIGN
