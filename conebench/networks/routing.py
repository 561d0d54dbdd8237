"""Networks that treat inputs differently, depending on their values."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from conebench.networks.reference import Observer

COLLECTIONS = (tuple, list, dict)

# By name, since each is a function, a method and sometimes an operator. Those that take places in a
# tensor from another one.
PLACES = frozenset(
    (
        *("__getitem__", "__setitem__", "index_select", "index_add", "index_copy", "index_put"),
        *("index_fill", "gather", "scatter", "scatter_add", "scatter_reduce", "take", "put"),
        *("take_along_dim", "masked_select", "masked_scatter", "repeat_interleave"),
        *("narrow", "tensor_split"),
    )
)
# Those that make places or an order of values, and those that give values to Python.
VALUES = frozenset(
    (
        *("nonzero", "nonzero_static", "argwhere", "sort", "argsort", "msort", "topk", "kthvalue"),
        *("unique", "unique_consecutive", "bincount", "item", "tolist", "numpy", "is_nonzero"),
        *("__bool__", "__int__", "__float__", "__index__", "__array__", "equal", "allclose"),
        *("__contains__", "__format__", "__repr__", "__dlpack__", "apply", "map", "arange"),
        *("storage", "untyped_storage", "__reduce_ex__"),
    )
)
# Operators that write to their first argument, besides those with names such as `copy_`.
WRITING = frozenset(("__setitem__", "__set__", "__iadd__", "__isub__", "__imul__", "__itruediv__"))
# Names of functions met so far.
NAMES: dict[Callable[..., Any], str] = {}


class RoutingObserver(Observer):
    """Tells if the network treats samples differently."""

    def __init__(self) -> None:
        self.routing = Routing()

    @contextmanager
    def watch(self, root: nn.Module) -> Iterator[None]:  # noqa: ARG002
        """Enclose the forward pass of the network."""
        with self.routing:
            yield


class Routing(TorchFunctionMode):
    """Finds places, orders and numbers that depend on the inputs of a pass, or on parameters.

    These ask for gradients, so what depends on them asks for gradients too, or was made of such a
    tensor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_found = False
        # Tensors without gradients that depend on the inputs; kept, so that ids stay theirs. And
        # the memory of those that were written to, which views share.
        self._dependent: dict[int, Tensor] = {}
        self._memory: set[int] = set()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        dependent = [t for t in _tensors_in((args, kwargs)) if self._depends(t)]
        if dependent:
            self.is_found = self.is_found or _routes(func, args, dependent)
            found = (t for t in _tensors_in((output,)) if not t.requires_grad)
            self._dependent |= {id(tensor): tensor for tensor in found}
            written = args[0] if args and _writes(func) else None
            if isinstance(written, Tensor) and not written.requires_grad:
                self._dependent[id(written)] = written
                self._memory |= {_memory_of(written)} - {0}
        return output

    def _depends(self, tensor: Tensor) -> bool:
        is_known = tensor.requires_grad or id(tensor) in self._dependent
        return is_known or (bool(self._memory) and _memory_of(tensor) in self._memory)


def _routes(func: Callable[..., Any], args: tuple[Any, ...], tensors: Iterable[Tensor]) -> bool:
    """Return True if a function takes places, an order or numbers from these tensors."""
    name = NAMES.get(func)
    if name is None:
        found = getattr(func, "__name__", "")
        name = NAMES[func] = found if found.startswith("__") else found.rstrip("_")
    if name in PLACES:
        # Values may depend on the inputs, places may not.
        return any(not t.is_floating_point() for t in tensors)
    return name in VALUES or (name == "where" and len(args) == 1)


def _writes(func: Callable[..., Any]) -> bool:
    name = getattr(func, "__name__", "")
    return name in WRITING or (name.endswith("_") and not name.startswith("__"))


def _memory_of(tensor: Tensor) -> int:
    """Return the address of a tensor's memory, 0 if it has none of its own."""
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return 0


def _tensors_in(arguments: Any) -> Iterator[Tensor]:
    """Yield the tensors in arguments, also those that bound a slice."""
    for entry in arguments.values() if isinstance(arguments, dict) else arguments:
        if isinstance(entry, Tensor):
            yield entry
        elif isinstance(entry, slice):
            yield from _tensors_in((entry.start, entry.stop, entry.step))
        elif isinstance(entry, COLLECTIONS):
            yield from _tensors_in(entry)
