"""Autograd's gradients of a network in its own parameters, at two samples."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from conebench.errors import KernelError
from conebench.networks.functional import FrozenNetwork
from conebench.networks.modes import parameters_at
from conebench.networks.noise import noise_factors, noise_like
from conebench.text import first_line

# How far nearby parameters are, relative to the size of a parameter's entries.
OFFSET = 0.02
# Larger parameters are not moved, unless they are constant: that would take a copy of them.
LARGEST_MOVED = 2**16
# Largest relative difference of gradients that count as equal.
TOLERANCES = {torch.float64: 1e-8, torch.float32: 1e-3}
# Largest one of logits that should be equal.
LARGEST_DIFFERENCES = {torch.float64: 1e-6, torch.float32: 1e-3}
# Size of the weights of logits: large, so that a hook that clips gradients shows.
WEIGHTS = {torch.float64: 1e3, torch.float32: 1e3}

# Operators and parameters of a graph in a fixed order, each with the number of its output.
Path = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Reference:
    """Autograd's gradients of a network near its parameters.

    Those of (logits * weights).sum() for two samples, where all weights of the first are zero, in
    the trainable parameters. `uses` counts how often the graph uses each of those it depends on,
    `path` names the graph's operators.
    """

    samples: Float[Tensor, "2 ..."]
    parameters: dict[str, Tensor]
    logits: Float[Tensor, "2 c"]
    weights: Float[Tensor, "2 c"]
    gradients: dict[str, Tensor]
    uses: dict[str, int]
    path: Path

    @property
    def size(self) -> float:
        """Norm of all gradients together."""
        return math.hypot(*(float(g.norm()) for g in self.gradients.values()))

    def agrees(self, name: str, found: Tensor) -> bool:
        """Return True if a gradient of the second sample is right, and not zero."""
        expected = self.gradients[name]
        expected = torch.view_as_real(expected) if expected.is_complex() else expected
        if found.numel() != expected.numel() or found.dtype != expected.dtype:
            return False
        # Written so that NaN agrees with nothing. Zeros prove nothing.
        size = float(expected.norm())
        error = float((found.detach().reshape(expected.shape) - expected).norm())
        return size > 0 and error <= TOLERANCES.get(expected.dtype, 1e-2) * size

    def is_second(self, logits: Tensor) -> bool:
        """Return True if logits are those of the second sample."""
        expected = self.logits[1:]
        if logits.shape != expected.shape:
            return False
        return difference(logits.detach(), expected) <= largest_difference(logits.dtype)


class Observer:
    """Watches the pass of which the reference takes gradients, and may ask for more of them."""

    @contextmanager
    def watch(self, root: nn.Module) -> Iterator[None]:  # noqa: ARG002
        """Enclose the forward pass of the network."""
        yield

    def places(self) -> Sequence[Tensor | GradientEdge]:
        """Return the places whose gradients are wanted too."""
        return ()

    def take(self, gradients: Sequence[Tensor | None]) -> None:
        """Receive the gradients in these places."""


def check_inputs(name: str, x: object) -> None:
    """Refuse inputs that are not a tensor of floating numbers [n, ...]."""
    if not isinstance(x, Tensor):
        raise KernelError(f"{name}: got a {type(x).__name__}, expected a tensor of inputs [n, ...]")
    if x.layout is not torch.strided or x.is_nested:
        kind = "nested" if x.is_nested else _name(x.layout)
        raise KernelError(f"{name}: got a {kind} tensor, expected a dense one")
    if x.is_meta:
        raise KernelError(f"{name}: got a tensor without values, on the device meta")
    if not x.is_floating_point():
        raise KernelError(f"{name}: got {_name(x.dtype)}, expected inputs of a floating type")
    if x.ndim == 0:
        raise KernelError(f"{name}: got a single number, expected inputs [n, ...]")
    if len(x) == 0:
        raise KernelError("there are no inputs")


def take_reference(
    frozen: FrozenNetwork, x: Float[Tensor, "n ..."], observer: Observer | None = None
) -> Reference:
    """Take autograd's gradients in the network's own parameters.

    This should be the very first pass. A tensor that it leaves where nobody finds it has its
    gradient here, and is missing from the finite differences.

    Args:
        frozen: the network.
        x: its inputs, of which two are used, or one and another made of it.
        observer: watches the pass.

    Raises:
        KernelError: the network refuses the inputs, gives no logits [n, c], gives NaN, draws random
            numbers or changes its parameters.

    """
    # Others stay: one may be a switch.
    near = {
        name: nearby(p, number) if name in frozen.trainable else p.detach()
        for number, (name, p) in enumerate(frozen.named())
    }
    pair = pair_of(x)
    # Where nearby parameters or another sample overflow, or a sample is silent.
    tries = ((pair, near), (pair.flip(0), near), (x[[0, -1]], dict(frozen.named())))
    reference = None
    for samples, parameters in tries:
        found = _gradients(frozen, samples, parameters, observer or Observer())
        reference = found or reference
        if reference is not None and reference.size > 0:
            break
    if reference is None:
        raise KernelError("the network gives NaN or infinite logits")
    own = dict(frozen.named())
    if reference.path != take_pass(frozen, reference.samples, own).path and (
        # A network that keeps a tensor takes another path the second time at any values.
        reference.path == take_pass(frozen, reference.samples, reference.parameters).path
    ):
        # The network chooses its path by its parameters.
        return _gradients(frozen, reference.samples, own, observer or Observer()) or reference
    return reference


def _gradients(
    frozen: FrozenNetwork, samples: Tensor, parameters: dict[str, Tensor], observer: Observer
) -> Reference | None:
    """Take the gradients, None if the logits are not finite."""
    own = [frozen.own[name] for name in frozen.trainable]
    # Clone frozen parameters: the network may change them in place. Clones of the trained ones,
    # beside their gradients, would exceed a small memory limit.
    lent = {n: p if n in frozen.trainable else p.clone() for n, p in parameters.items()}
    with (
        torch.random.fork_rng(devices=[samples.device] if samples.is_cuda else []),
        parameters_at(frozen.own, lent, frozen.trainable),
        torch.enable_grad(),
    ):
        logits = _first_logits(frozen, samples, observer)
        if not bool(logits.isfinite().all()):
            return None
        path = _path(logits, frozen)
        uses = Counter(name for name, _ in path if name in frozen.trainable)
        if not uses:
            raise KernelError("no output of the network depends on a trainable parameter")
        weights = torch.zeros_like(logits.detach())
        weights[1] = noise_like(weights[1], 1) * WEIGHTS.get(weights.dtype, 1.0)
        places: list[Any] = [*own, *observer.places()]
        try:
            found = torch.autograd.grad(logits, places, weights, allow_unused=True)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise KernelError(
                f"autograd cannot differentiate the network: {first_line(error)}"
            ) from error
        observer.take(found[len(own) :])
        gradients = [
            torch.zeros_like(p) if g is None else g if g.layout is torch.strided else g.to_dense()
            for p, g in zip(own, found, strict=False)
        ]
    return Reference(
        samples=samples,
        parameters=parameters,
        logits=logits.detach(),
        weights=weights,
        gradients=dict(zip(frozen.trainable, gradients, strict=True)),
        uses=dict(uses),
        path=path,
    )


def take_pass(frozen: FrozenNetwork, samples: Tensor, parameters: dict[str, Tensor]) -> Reference:
    """Return the logits and the path at these values of the parameters, without gradients."""
    with (
        torch.random.fork_rng(devices=[samples.device] if samples.is_cuda else []),
        parameters_at(frozen.own, parameters, frozen.trainable),
        torch.enable_grad(),
    ):
        logits = _first_logits(frozen, samples, Observer())
        path = _path(logits, frozen)
    logits = logits.detach()
    return Reference(samples, parameters, logits, torch.zeros_like(logits), {}, {}, path)


def _first_logits(
    frozen: FrozenNetwork, samples: Tensor, observer: Observer
) -> Float[Tensor, "m c"]:
    """Run the network, and refuse it if it cannot have a kernel."""
    versions = {name: p._version for name, p in frozen.own.items()}
    before = _random_states(samples)
    try:
        with frozen.entered(frozen.own) as root, observer.watch(root):
            # Inputs that ask for gradients give every layer an edge, whatever its parameters. A
            # network may change them in place, so it gets a clone.
            logits = root(samples.detach().requires_grad_().clone())
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        if "saved tensor hooks" in str(error):
            raise KernelError(
                "the network calls torch.func.grad, vjp or jacrev in forward, which hides its "
                "graph: use torch.autograd.grad with create_graph=True instead"
            ) from error
        raise KernelError(
            f"the network cannot take inputs of shape {list(samples.shape)} and type "
            f"{_name(samples.dtype)}: {first_line(error)}"
        ) from error
    checked = _checked(logits, len(samples))
    if any(p._version != versions[name] for name, p in frozen.own.items()):
        raise KernelError("the network changes its parameters in a forward pass")
    if not all(map(torch.equal, before, _random_states(samples))):
        raise KernelError("the network draws random numbers in evaluation mode")
    return checked


def _checked(logits: object, count: int) -> Float[Tensor, "m c"]:
    """Return outputs if they are real logits [n, c] with a gradient."""
    if not isinstance(logits, Tensor):
        raise KernelError(
            f"the network gives a {type(logits).__name__}, expected a tensor of logits [n, c]"
        )
    if logits.layout is not torch.strided:
        kind = _name(logits.layout)
        raise KernelError(f"the network gives a {kind} tensor, expected dense logits [n, c]")
    shape = list(logits.shape)
    if len(shape) != 2 or shape[0] != count or shape[1] == 0:
        raise KernelError(
            f"the network gives shape {shape} for {count} inputs, expected logits [n, c]"
        )
    if not logits.is_floating_point():
        raise KernelError(f"the network gives {_name(logits.dtype)}, expected real logits")
    return logits


def nearby(parameter: Tensor, number: int) -> Tensor:
    """Return a parameter moved a little at random; a large one that is uneven as it is."""
    value = parameter.detach()
    is_number = value.is_floating_point() or value.is_complex()
    if not is_number or (value.numel() > LARGEST_MOVED and not _is_even(value)):
        return value
    size = float(value.norm()) / max(1, value.numel()) ** 0.5
    return torch.addcmul(value, *noise_factors(value, 0, number), value=OFFSET * (size or 1.0))


def _is_even(value: Tensor) -> bool:
    """Return True if some of the entries are all alike."""
    some = value.flatten()[:: max(1, value.numel() // 1000)]
    return bool((some == some[0]).all())


def pair_of(x: Float[Tensor, "n ..."]) -> Float[Tensor, "2 ..."]:
    """Return two different samples: the first, and the third where there is one."""
    first, other = x[:1], x[:3][-1:]
    if torch.equal(first, other):
        other = (0.25 + 0.5 * first.flip(-1)) * (1 + 0.1 * noise_like(first, 3))
    return torch.cat([first, other])


def _path(logits: Tensor, frozen: FrozenNetwork) -> Path:
    """Return the operators of the graph of logits, and its parameters as often as they are used."""
    names = {id(frozen.own[name]): name for name in frozen.trainable}
    path, seen, waiting = [], {logits.grad_fn}, [logits.grad_fn]
    while waiting:
        for node, number in getattr(waiting.pop(), "next_functions", ()):
            leaf = names.get(id(getattr(node, "variable", None)))
            path.append((leaf or ("" if node is None else node.name()), number))
            if node is not None and node not in seen:
                seen.add(node)
                waiting.append(node)
    return tuple(path)


def difference(found: Float[Tensor, "n c"], expected: Float[Tensor, "n c"]) -> float:
    """Return how far logits are apart, relative to their size."""
    size = float(expected.double().norm())
    apart = float((found.double() - expected.double()).norm())
    return apart / size if size else apart


def largest_difference(dtype: torch.dtype) -> float:
    """Return how far logits of this type may be apart where they should be equal."""
    return LARGEST_DIFFERENCES.get(dtype, 1e-1)


def _random_states(x: Tensor) -> list[Tensor]:
    """Return the states of torch's generators that a network may draw from."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(x.device)] if x.is_cuda else states


def _name(kind: torch.dtype | torch.layout) -> str:
    return str(kind).removeprefix("torch.")
