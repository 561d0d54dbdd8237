"""Every place where a network's code can keep something from one pass to the next."""

import functools
import gc
import inspect
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

Content = dict[Any, Any]

# More entries are data rather than something that a forward pass keeps.
MOST_ENTRIES = 4096
MOST_CONTAINERS = 50_000
DICTS = (dict, OrderedDict, defaultdict)
LISTS = (list, deque)
MEMO = type(functools.lru_cache(lambda: None))
ATOMS = frozenset(
    {type(None), bool, int, float, complex, str, bytes, type, types.ModuleType, torch.dtype}
    | {torch.device, torch.Size, torch.Generator, Tensor, nn.Parameter}
)
# Of torch's dicts in each module those that passes leave empty: most of all there are.
LEFT_EMPTY = frozenset(
    name
    for name, entry in vars(nn.Module()).items()
    if isinstance(entry, dict) and name != "_buffers"
)
HOOKS = frozenset(("_forward_hooks", "_forward_pre_hooks"))
# Packages whose functions and objects keep no tensors of a network.
FOREIGN = ("torch", "numpy", "builtins", "functools", "typing", "logging", "threading", "inspect")


class Container:
    """Something with entries: a dict, or the chosen names in one."""

    def __init__(self, entries: dict[Any, Any], names: tuple[str, ...] | None = None) -> None:
        self._entries = entries
        self._names = names

    def read(self) -> Content:
        """Return a copy of the entries."""
        if self._names is None:
            return dict(self._entries)
        return {name: self._entries[name] for name in self._names if name in self._entries}

    def write(self, content: Content) -> None:
        """Put these entries in place of those that are there."""
        if self._names is None:
            self._entries.clear()
        else:
            for name in self._names:
                self._entries.pop(name, None)
        self._entries.update(content)


class ListContainer(Container):
    """A list or deque; its entries are numbered."""

    def __init__(self, entries: Any) -> None:
        self._list = entries

    def read(self) -> Content:
        """Return the entries by number."""
        return dict(enumerate(self._list))

    def write(self, content: Content) -> None:
        """Put these entries in place of those that are there."""
        self._list.clear()
        self._list.extend(content.values())


class Cell(Container):
    """A variable that a function shares with the function around it."""

    def __init__(self, cell: types.CellType) -> None:
        self._cell = cell

    def read(self) -> Content:
        """Return the variable's value, nothing if it has none yet."""
        try:
            return {"": self._cell.cell_contents}
        except ValueError:
            return {}

    def write(self, content: Content) -> None:
        """Give the variable its value."""
        if content:
            self._cell.cell_contents = content[""]
        elif self.read():
            del self._cell.cell_contents


class Attributes(Container):
    """Attributes of a class, or of an object that keeps them in slots."""

    def __init__(self, owner: Any, names: tuple[str, ...]) -> None:
        self._owner = owner
        self._attributes = names

    def read(self) -> Content:
        """Return the attributes that are set."""
        found = {}
        for name in self._attributes:
            try:
                found[name] = getattr(self._owner, name)
            except AttributeError:
                continue
        return found

    def write(self, content: Content) -> None:
        """Set the attributes given and delete the others."""
        for name in self.read().keys() - content.keys():
            delattr(self._owner, name)
        for name, value in content.items():
            setattr(self._owner, name, value)


class Memo(Container):
    """What `functools.lru_cache` keeps. It can only be emptied, and fills up by itself."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def read(self) -> Content:
        """Return something new each time if tensors are kept, so that it is always emptied."""
        kept = gc.get_referents(self._function)
        # Without a limit they are in a dict.
        kept += [value for held in kept if isinstance(held, dict) for value in held.values()]
        return {"": object()} if any(isinstance(value, Tensor | tuple) for value in kept) else {}

    def write(self, content: Content) -> None:  # noqa: ARG002
        """Empty it."""
        self._function.cache_clear()


def find_containers(network: nn.Module, *, with_hooks: bool = False) -> list[tuple[str, Container]]:
    """Return every container that the network's code can reach, each with a label.

    Goes through modules, their attributes, collections and objects in them, hooks, the variables
    that functions share, and the global names that the classes' own code mentions. `with_hooks`
    adds the dicts of hooks, even if they are empty.
    """
    search = _Search(LEFT_EMPTY - HOOKS if with_hooks else LEFT_EMPTY)
    search.visit(type(network).__name__, network)
    return search.found


def reached_modules(network: nn.Module) -> list[nn.Module]:
    """Return every module that the network's code can reach, part of the network or not."""
    search = _Search(LEFT_EMPTY)
    search.visit(type(network).__name__, network)
    return [visited for visited in search.visited if isinstance(visited, nn.Module)]


class _Search:
    """Visits each object once, breadth last; keeps the containers that it meets."""

    def __init__(self, left_empty: frozenset[str]) -> None:
        self.found: list[tuple[str, Container]] = []
        self._left_empty = left_empty
        self._seen: set[int] = set()
        # Kept alive until the end, so that no id is used twice.
        self.visited: list[Any] = []

    def visit(self, label: str, root: Any) -> None:
        waiting = [(label, root)]
        while waiting and len(self.found) < MOST_CONTAINERS:
            place, value = waiting.pop()
            if type(value) not in ATOMS and id(value) not in self._seen:
                self._seen.add(id(value))
                self.visited.append(value)
                waiting.extend(self._inside(place, value))

    def _inside(self, place: str, value: Any) -> Iterable[tuple[str, Any]]:
        """Keep the containers of one object, and return what is inside them."""
        kind, inside = type(value), FUNCTIONS.get(type(value))
        if inside is not None:
            return inside(self, place, value)
        if kind in DICTS:
            return self._collection(place, Container(value), value.values(), len(value))
        if kind in LISTS:
            return self._collection(place, ListContainer(value), value, len(value))
        if isinstance(value, tuple | set | frozenset | weakref.ref):
            entries = (value(),) if isinstance(value, weakref.ref) else value
            return [(place, entry) for entry in entries] if len(entries) <= MOST_ENTRIES else ()
        if isinstance(value, nn.Module):
            return self._object(kind.__name__, value)
        known = isinstance(value, types.ModuleType | type) or _is_foreign(kind)
        return () if known else self._object(f"{place}.{kind.__name__}", value)

    def _collection(
        self, place: str, container: Container, values: Iterable[Any], count: int
    ) -> Iterable[tuple[str, Any]]:
        if count > MOST_ENTRIES:
            return ()
        self.found.append((place, container))
        return [(place, entry) for entry in list(values) if type(entry) not in ATOMS]

    def _object(self, place: str, value: Any) -> Iterable[tuple[str, Any]]:
        attributes = getattr(value, "__dict__", None)
        inside: list[tuple[str, Any]] = []
        if isinstance(attributes, dict):
            self.found.append((place, Container(attributes)))
            inside += [
                (f"{place}.{name}", entry)
                for name, entry in attributes.items()
                if type(entry) not in ATOMS and (entry or name not in self._left_empty)
            ]
        for cls in type(value).__mro__:
            if not _is_foreign(cls) and not issubclass(cls, Enum) and id(cls) not in self._seen:
                self._seen.add(id(cls))
                self.visited.append(cls)
                inside += self._class(cls)
        slots = _slots(type(value))
        if slots:
            container = Attributes(value, slots)
            self.found.append((place, container))
            inside += [(place, entry) for entry in container.read().values()]
        return inside

    def _class(self, cls: type) -> Iterator[tuple[str, Any]]:
        """Data of a class, and all that its methods reach."""
        data = []
        for name, value in vars(cls).items():
            function = inspect.unwrap(value) if callable(value) else getattr(value, "fget", value)
            function = getattr(function, "__func__", function)
            if isinstance(value, MEMO):
                self.found.append((f"{cls.__name__}.{name}", Memo(value)))
            if isinstance(function, types.FunctionType):
                yield f"{cls.__name__}.{name}", function
            elif _is_data(value) and not name.startswith("__"):
                data.append(name)
                yield f"{cls.__name__}.{name}", value
        if data:
            self.found.append((cls.__name__, Attributes(cls, tuple(data))))

    def function(self, place: str, value: types.FunctionType) -> Iterator[tuple[str, Any]]:
        """Variables that a function shares with others, its defaults and its global data."""
        if _is_foreign(value):
            return
        for cell in value.__closure__ or ():
            container = Cell(cell)
            self.found.append((f"{place}, a variable of a function", container))
            yield from ((place, entry) for entry in container.read().values())
        yield from ((place, entry) for entry in value.__defaults__ or ())
        scope = value.__globals__
        names = _names(value.__code__)
        data = tuple(name for name in names if name in scope and _is_data(scope[name]))
        if data:
            self.found.append((f"{value.__module__}, global {data}", Container(scope, data)))
        for name in names:
            found = scope.get(name)
            if name in data or type(found) in FUNCTIONS or isinstance(found, nn.Module):
                yield f"{value.__module__}.{name}", found

    def method(self, place: str, value: types.MethodType) -> Iterator[tuple[str, Any]]:
        """The object and the function of a method."""
        yield place, value.__self__
        yield place, value.__func__

    def partial(self, place: str, value: Any) -> Iterator[tuple[str, Any]]:
        """The function of a partial call, and its arguments."""
        yield from ((place, entry) for entry in (value.func, value.args, value.keywords))

    def memo(self, place: str, value: Any) -> Iterator[tuple[str, Any]]:
        """The function of a memo."""
        self.found.append((place, Memo(value)))
        yield place, value.__wrapped__


FUNCTIONS: dict[type, Callable[[_Search, str, Any], Iterable[tuple[str, Any]]]] = {
    types.FunctionType: _Search.function,
    types.MethodType: _Search.method,
    functools.partial: _Search.partial,
    MEMO: _Search.memo,
}


@functools.cache
def _names(code: types.CodeType) -> tuple[str, ...]:
    """Return the names that a function mentions, with those of functions defined in it."""
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return tuple(dict.fromkeys((*code.co_names, *(n for c in inner for n in _names(c)))))


def _is_data(value: Any) -> bool:
    """Return True for values that a forward pass may set or fill."""
    return value is None or isinstance(value, Tensor | dict | list | deque | tuple | set)


def _is_foreign(value: Any) -> bool:
    module = getattr(value, "__module__", None)
    return not isinstance(module, str) or module.partition(".")[0] in FOREIGN


def _slots(cls: type) -> tuple[str, ...]:
    names = [name for base in cls.__mro__ for name in vars(base).get("__slots__", ())]
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))
