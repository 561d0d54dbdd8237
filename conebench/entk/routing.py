"""Networks that treat inputs differently, depending on their values."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from conebench.networks.functional import tensors_in

COLLECTIONS = (tuple, list, dict)

# By name, since each is a function, a method and sometimes an operator. Those that take places in a
# tensor from another one.
PLACES = frozenset(
    (
        *("__getitem__", "__setitem__", "index_select", "index_add", "index_copy", "index_put"),
        *("index_fill", "gather", "scatter", "scatter_add", "scatter_reduce", "take", "put"),
        *("take_along_dim", "masked_select", "masked_scatter"),
    )
)
# Those that make places or an order of values, and those that give values to Python.
VALUES = frozenset(
    (
        *("nonzero", "nonzero_static", "argwhere", "sort", "argsort", "msort", "topk", "kthvalue"),
        *("unique", "unique_consecutive", "bincount", "item", "tolist", "numpy", "is_nonzero"),
        *("__bool__", "__int__", "__float__", "__index__", "__array__", "equal", "allclose"),
    )
)
# Names of functions met so far.
NAMES: dict[Callable[..., Any], str] = {}


class Routing(TorchFunctionMode):
    """Finds places, orders and numbers that depend on the inputs of a pass, or on parameters.

    These ask for gradients, so what depends on them asks for gradients too, or was made of such a
    tensor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_found = False
        # Tensors without gradients that depend on the inputs; kept, so that ids stay theirs.
        self._dependent: dict[int, Tensor] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        dependent = [t for t in tensors_in((args, kwargs), COLLECTIONS) if self._depends(t)]
        if dependent:
            self.is_found = self.is_found or _routes(func, args, dependent)
            found = (t for t in tensors_in(output, COLLECTIONS) if not t.requires_grad)
            self._dependent |= {id(tensor): tensor for tensor in found}
        return output

    def _depends(self, tensor: Tensor) -> bool:
        return tensor.requires_grad or id(tensor) in self._dependent


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
