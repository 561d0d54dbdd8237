"""Checks of a network before its kernel is built."""

import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from conebench.entk.contraction import Outputs
from conebench.entk.routes import Routes, find_in_order, find_routes
from conebench.errors import KernelError
from conebench.networks.functional import LOCK, FrozenNetwork
from conebench.networks.kept import forget_kept
from conebench.networks.modes import plain_mode
from conebench.networks.referee import check_derivatives, check_mixing
from conebench.networks.reference import Path, check_inputs, pair_of, take_pass, take_reference

P = ParamSpec("P")
T = TypeVar("T")

# Values that are part of a network's structure; those of tensors are not.
SIMPLE = (bool, int, float, str, type(None))
# Samples in one pass that looks for further parameters.
PART = 16
# Larger tensors of other numbers differ along a training run.
MOST_SWITCHES = 16


@dataclass(frozen=True)
class Proof:
    """Routes of a network's gradients, and what they were proved for: its structure and its path.

    Serves kernels of other networks of the same structure and path, as along a training run.
    """

    structure: tuple[Any, ...]
    path: Path
    routes: Routes

    def serves(self, network: FrozenNetwork, x: Float[Tensor, "n ..."]) -> bool:
        """Return True if the routes are right for a network.

        The path shows the choices that parameters, buffers and global variables make. A network
        that treats samples differently has several paths, so it is proved for each kernel.

        Raises:
            KernelError: as `empirical_ntk`.

        """
        if self.routes.is_routed or self.structure != structure_of(network, x):
            return False
        passed = take_pass(network, pair_of(x), dict(network.named()))
        if self.path != passed.path:
            return False
        # The same operators may take rows in another order, or mix them.
        layers = {term.module for term in self.routes.terms if term.module}
        if not layers:
            check_mixing(network, passed, x)
        return find_in_order(network, passed, layers) == layers


def kernel_function(function: Callable[P, T]) -> Callable[P, T]:
    """Check the arguments of a function of a network, and let it take gradients.

    In inference mode there are none otherwise.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        given = signature.bind(*args, **kwargs).arguments
        for name in ("x", "x1", "x2"):
            # The second inputs may be left out.
            if name in given and not (name == "x2" and given[name] is None):
                check_inputs(name, given[name])
        outputs, by = given.get("outputs", "full"), given.get("by", str)
        if outputs not in get_args(Outputs):
            raise KernelError(f"outputs: got {outputs!r}, expected {', '.join(get_args(Outputs))}")
        if not callable(by):
            raise KernelError(f"by: got {by!r}, expected a function of a parameter's name")
        limit = given.get("memory_limit")
        if not isinstance(limit, Integral | None):
            raise KernelError(f"memory_limit: got {limit!r}, expected a whole number of bytes")
        if not isinstance(given.get("proof"), Proof | None):
            raise KernelError(f"proof: got {given['proof']!r}, expected what prove returns")
        with LOCK, plain_mode(), torch.no_grad():
            return function(*args, **kwargs)

    return called


@kernel_function
def prove(model: nn.Module, x: Float[Tensor, "n ..."]) -> Proof:
    """Check a network once for several of its kernels.

    Args:
        model: network in evaluation mode.
        x: inputs, of which a few are used.

    Returns:
        What `empirical_ntk` and the other functions take as `proof`. They use it for networks of
        the same classes, shapes and settings whose passes run the same operators, and prove any
        other network themselves.

    Raises:
        KernelError: as `empirical_ntk`.

    Example:
        >>> network, x = nn.Linear(2, 3).eval(), torch.ones(4, 2)
        >>> [term.route for term in prove(network, x).routes.terms]
        ['weight', 'bias']

    """
    network, x = FrozenNetwork(model, is_anchored=False), plain(x)
    check_call(network, x, None)
    forget_kept(network, x)
    routes, path = proved_routes(network, x)
    return Proof(structure_of(network, x), path, routes)


def proved_routes(
    network: FrozenNetwork, x: Float[Tensor, "n ..."], *, is_routed: bool = False
) -> tuple[Routes, Path]:
    """Find the routes of gradients that are the network's derivatives, and the path taken.

    `is_routed` says that the network is known to treat samples differently.
    """
    routes, reference = find_routes(network, x, is_routed=is_routed)
    check_derivatives(network, reference)
    check_mixing(network, reference, x)
    if routes.is_routed:
        # Each sample may take a path of its own. A reference is of the first and the third sample.
        for first in range(1, len(x)):
            check_derivatives(network, take_reference(network, x.roll(-first, 0)))
    return routes, reference.path


def uses_more(network: FrozenNetwork, routes: Routes, x: Float[Tensor, "n ..."]) -> bool:
    """Return True if some samples use parameters that have no route, like another expert's."""
    routed = {term.parameter for term in routes.terms}
    leaves = {
        name: network.own[name].detach().requires_grad_()
        for name in network.trainable
        if name not in routed and network.own[name].numel()
    }
    if not leaves:
        return False
    others = {name: p.detach() for name, p in network.own.items() if name not in leaves}
    with torch.enable_grad():
        return any(
            _logits(network, part, {**others, **leaves}).requires_grad
            for part in torch.split(x, PART)
        )


def _logits(network: FrozenNetwork, x: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
    """Return the logits, of all samples twice if the network does not take their number."""
    try:
        return network(x, parameters)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, IndexError):
        return network(torch.cat([x, x]), parameters)


def structure_of(network: FrozenNetwork, x: Tensor) -> tuple[Any, ...]:
    """Return all that decides a network's routes: everything but the values of its numbers."""
    modules = tuple((name, type(m)) for name, m in network.network.named_modules())
    tensors = tuple(
        (name, t.shape, t.dtype, t.device, t.requires_grad) for name, t in network.own.items()
    )
    settings = tuple(
        (label, tuple((str(key), _setting(value)) for key, value in content.items()))
        for label, content in zip(network.labels, network.contents, strict=True)
    )
    return (modules, tensors, settings, _switches(network), x.shape[1:], x.dtype, x.device)


def _switches(network: FrozenNetwork) -> tuple[tuple[str, str], ...]:
    """Return values of buffers and frozen parameters, by which a network may choose.

    Of large ones those of whole numbers: tables of places, masks.
    """
    # These of BatchNorm differ along a training run, and choose nothing.
    statistics = {
        id(buffer)
        for module in network.network.modules()
        if isinstance(module, _NormBase)
        for buffer in module.buffers(recurse=False)
    }
    frozen = ((name, p) for name, p in network.own.items() if not p.requires_grad)
    return tuple(
        (name, _values(tensor))
        for name, tensor in (*network.network.named_buffers(), *frozen)
        if id(tensor) not in statistics
    )


def _values(tensor: Tensor) -> str:
    try:
        if tensor.numel() <= MOST_SWITCHES:
            return str(tensor.tolist())
        if tensor.is_floating_point() or tensor.is_complex():
            return ""
        return hashlib.sha256(tensor.cpu().numpy().tobytes()).hexdigest()
    except (RuntimeError, NotImplementedError):
        # It has none, or cannot show them.
        return str(tensor.dtype)


def _setting(value: object) -> object:
    """Return what of an attribute is structure."""
    if isinstance(value, Tensor):
        return (None if value.is_nested else value.shape, value.dtype)
    if isinstance(value, FunctionType):
        return value.__code__
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.size <= MOST_SWITCHES:
        return str(value)
    if isinstance(value, tuple | range) and len(value) <= MOST_SWITCHES:
        return tuple(map(_setting, value))
    return value if isinstance(value, SIMPLE) else type(value)


def plain(x: Tensor) -> Tensor:
    """Return inputs that gradients may be taken through."""
    return x.clone() if x.is_inference() else x.detach()


def check_call(network: FrozenNetwork, x1: Tensor, x2: Tensor | None) -> None:
    """Refuse a network and inputs that have no kernel."""
    model = network.network
    if x2 is not None and x1.shape[1:] != x2.shape[1:]:
        raise KernelError(f"inputs of two shapes: {list(x1.shape[1:])} and {list(x2.shape[1:])}")
    if x2 is not None and (x1.dtype, x1.device) != (x2.dtype, x2.device):
        raise KernelError(f"inputs of two types: {_type(x1)} and {_type(x2)}")
    if any(module.training for module in model.modules()):
        raise KernelError("the model is in training mode: call model.eval() first")
    if not any(p.requires_grad for p in model.parameters()):
        raise KernelError("the model has no trainable parameters")
    tensors: Mapping[str, Tensor | None] = {"x1": x1, "x2": x2, **dict(model.named_parameters())}
    for name, tensor in tensors.items():
        if tensor is not None and not _is_finite(tensor):
            raise KernelError(f"{name} has NaN or infinite entries")


def _type(x: Tensor) -> str:
    return f"{str(x.dtype).removeprefix('torch.')} on {x.device}"


def _is_finite(tensor: Tensor) -> bool:
    # The sum alone tells of most tensors, in a third of the time.
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())
