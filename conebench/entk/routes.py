"""Routes of parameters' gradients, proved on two samples.

rule      the layer's normal form (`layer_rules`); routes `weight` and `bias`
expanded  the parameter is broadcast over samples, so each sample gets a slice of its own
generic   anything else: per-sample Jacobians (`jacobians`)
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from conebench.entk.jacobians import find_mapped, real_entries
from conebench.entk.layer_io import LayerWatch
from conebench.entk.layer_rules import (
    NoRuleError,
    has_rule,
    is_layer,
    layer_gradient,
    layer_inputs,
    weight_gradient,
    weight_shaped,
)
from conebench.entk.memory import GraphMeter
from conebench.networks.functional import FrozenNetwork
from conebench.networks.noise import noise_like
from conebench.networks.reference import Observer, Reference, take_reference
from conebench.networks.routing import Routing

# Of noise in the rows of other samples, relative to a layer's outputs: it wakes silent units.
LOUD = 3.0

Route = Literal["weight", "bias", "expanded", "generic"]


@dataclass(frozen=True)
class Term:
    """One trainable parameter: its route and sizes for one sample.

    `groups`, `positions`, `inputs`, `outputs` are the sizes g, s, p, q of `layer_rules`.
    `held_inputs` and `held_outputs` count the numbers of the layer's input and output.
    """

    parameter: str
    module: str
    route: Route
    entries: int
    groups: int = 1
    positions: int = 1
    inputs: int = 1
    outputs: int = 1
    held_inputs: int = 0
    held_outputs: int = 0


@dataclass(frozen=True)
class Routes:
    """Terms of a network's trainable parameters, in its order.

    `graph_numbers` counts what a forward pass keeps of one sample for its backward passes. `mapped`
    names generic parameters whose gradients are right if the network is mapped over samples.
    `is_routed` tells of a network that may treat each sample differently.
    """

    terms: list[Term]
    classes: int
    graph_numbers: int
    mapped: frozenset[str] = frozenset()
    is_routed: bool = False


def find_routes(
    network: FrozenNetwork, x: Float[Tensor, "n ..."], *, is_routed: bool = False
) -> tuple[Routes, Reference]:
    """Find the route of each parameter's gradient.

    `is_routed` says that the network is known to treat samples differently.

    Returns them with autograd's gradients, which remain to be proved. A rule or an expansion must
    give these gradients, which belong to the second of two samples and may not be zero. Both are
    for parameters that the network uses once, that are applied to the samples in order, and in a
    network that treats all inputs alike. What fails (a parameter used past its module, samples out
    of order, a subtle layer) is generic.
    """
    seen = _Seen(network)
    reference = take_reference(network, x, seen)
    is_routed = is_routed or seen.routing.is_found
    uses, gradients = reference.uses, reference.gradients
    # Other samples may be routed to parameters that these two do not use.
    used = [name for name, g in gradients.items() if g.numel() and (name in uses or is_routed)]
    found: dict[str, Term] = {}
    if not is_routed:
        found = {term.parameter: term for term in _by_rule(network, reference, seen)}
        # Layers take no slice per sample.
        layers = {id(p) for m in network.network.modules() if is_layer(m) for p in m.parameters()}
        once = [
            name
            for name in used
            if uses[name] == 1 and name not in found and id(network.own[name]) not in layers
        ]
        loud = {term.module for term in found.values()}
        for candidates in _expandable({name: reference.parameters[name] for name in once}):
            terms = list(_by_expansion(network, candidates, reference, loud))
            if terms:
                # This pass has shown the order of rows, too.
                loud = set()
            elif loud:
                terms = list(_by_expansion(network, candidates, reference, ()))
            found |= {term.parameter: term for term in terms}
        wrong = loud - find_in_order(network, reference, loud)
        found = {name: term for name, term in found.items() if term.module not in wrong}
    routed = [
        found.get(name) or Term(name, "", "generic", real_entries(reference.parameters[name]))
        for name in used
    ]
    # Of one of the two samples, rounded up.
    graph_numbers = -(-seen.kept_bytes() // (2 * x.element_size()))
    generic = [term.parameter for term in routed if term.route == "generic"]
    mapped = find_mapped(network, reference, generic)
    classes = reference.logits.shape[1]
    return Routes(routed, classes, graph_numbers, mapped, is_routed), reference


class _Seen(Observer):
    """Layers that a rule may cover, as the reference's pass shows them."""

    def __init__(self, network: FrozenNetwork) -> None:
        self._network = network
        self._names = [name for name, m in network.network.named_modules() if has_rule(m)]
        self.gradients: dict[str, Tensor] = {}

    @contextmanager
    def watch(self, root: nn.Module) -> Iterator[None]:
        """Watch layers, what the graph keeps, and calls that may route."""
        self.routing, self.layers = Routing(), LayerWatch(self._names)
        self._meter = GraphMeter(self._network.tensors())
        with self.layers.hooks(root), self._meter, self.routing:
            yield

    def places(self) -> list[GradientEdge]:
        """Return the outputs of layers."""
        return [self.layers.edges[name] for name in self.layers.usable()]

    def take(self, gradients: Sequence[Tensor | None]) -> None:
        """Receive the gradients of layers' outputs."""
        found = zip(self.layers.usable(), gradients, strict=True)
        self.gradients = {name: y for name, y in found if y is not None}

    def kept_bytes(self) -> int:
        """Count the bytes that the graph keeps, and those of all layers' inputs."""
        # Inputs of layers are kept even where the graph does not need them.
        for name in self.layers.usable():
            self._meter.add(self.layers.inputs[name][0])
        return self._meter.kept_bytes


def expand(parameter: Tensor, n: int) -> Tensor:
    """Return a leaf with one slice per sample."""
    # [1, ...] -> [n, ...], [d] -> [n, 1, d]
    slices = parameter if parameter.ndim > 1 else parameter[None]
    return slices.detach().expand(n, *slices.shape[1:] if parameter.ndim > 1 else slices.shape)


def find_in_order(network: FrozenNetwork, reference: Reference, names: Collection[str]) -> set[str]:
    """Return the layers of which the second third of the rows is the second of three samples."""
    if not names or _leaves_second(network, reference, names):
        return set(names)
    return {name for name in names if _leaves_second(network, reference, [name])}


def _leaves_second(network: FrozenNetwork, reference: Reference, names: Collection[str]) -> bool:
    """Return True if loud noise in other rows of layers does not reach a sample's logits.

    Gradients would not tell: rows out of order have none where a unit is silent.
    """
    entered = network.entered(reference.parameters)
    try:
        with torch.no_grad(), entered as root, _disturbed(root, names):
            logits = root(_between_others(reference))
    except (RuntimeError, ValueError, IndexError):
        # A network may take even numbers of samples only.
        return False
    return reference.is_second(logits[1:2])


@contextmanager
def _disturbed(root: nn.Module, names: Collection[str]) -> Iterator[None]:
    """Add noise to what layers give for other samples."""

    def disturb(_: nn.Module, __: object, output: Tensor) -> Tensor:
        disturbed = output.clone(memory_format=torch.contiguous_format)
        _disturb_others(disturbed)
        return disturbed

    with ExitStack() as stack:
        for name in names:
            hook = root.get_submodule(name).register_forward_hook(disturb)
            stack.callback(hook.remove)
        yield


def _between_others(reference: Reference) -> Float[Tensor, "3 ..."]:
    return reference.samples[[0, 1, 0]]


def _disturb_others(rows: Float[Tensor, "m ..."]) -> None:
    """Add noise to the first and the last third of rows, in place."""
    third = len(rows) // 3
    noise = noise_like(rows[:third], 5) * (LOUD * (1.0 + rows.detach().abs().mean()))
    # With either sign, so that no unit is silent in both.
    rows[:third] += noise
    rows[len(rows) - third :] -= noise


def _by_rule(network: FrozenNetwork, reference: Reference, seen: _Seen) -> Iterator[Term]:
    for name, y in seen.gradients.items():
        module, (x,) = network.network.get_submodule(name), seen.layers.inputs[name]
        for own in ("weight", "bias"):
            parameter = f"{name}.{own}" if name else own
            if reference.uses.get(parameter) == 1:
                term = _rule_term(module, (name, own), x, y, reference)
                if term is not None:
                    yield term


def _rule_term(
    module: nn.Module, place: tuple[str, str], x: Tensor, y: Tensor, reference: Reference
) -> Term | None:
    """Return a parameter's term, None if its rule fails."""
    name, own = place
    parameter = f"{name}.{own}" if name else own
    try:
        b = layer_gradient(module, y, 2)  # [2, g, q, s]
        if own == "bias":
            gradient = b[1].sum(-1)
            shape = (b.shape[1], b.shape[3], 1, b.shape[2])
        else:
            a = layer_inputs(module, x, 2)  # [2, g, s, p]
            gradient = weight_shaped(module, weight_gradient(a[1:], b[1:])[0])
            shape = (*a.shape[1:], b.shape[2])
    except (NoRuleError, RuntimeError):
        return None
    if not reference.agrees(parameter, gradient):
        return None
    groups, positions, inputs, outputs = shape
    return Term(
        parameter=parameter,
        module=name,
        route="bias" if own == "bias" else "weight",
        entries=gradient.numel(),
        groups=groups,
        positions=positions,
        inputs=inputs,
        outputs=outputs,
        held_inputs=x.numel() // 2,
        held_outputs=y.numel() // 2,
    )


def _expandable(parameters: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return candidates for expansion: tokens first, then scales."""
    parameters = {name: p for name, p in parameters.items() if not p.is_complex()}
    leading = {n: p for n, p in parameters.items() if p.ndim > 1 and p.shape[0] == 1}
    # A scale of the last axis broadcasts over samples and positions.
    scales = {n: p for n, p in parameters.items() if p.ndim == 1}
    return [candidates for candidates in (leading, scales) if candidates]


def _by_expansion(
    network: FrozenNetwork,
    candidates: Mapping[str, Tensor],
    reference: Reference,
    loud: Collection[str],
) -> Iterator[Term]:
    """Yield terms of the candidates that can be expanded, with noise in the layers `loud`."""
    expanded = {name: expand(p, 3).clone() for name, p in candidates.items()}
    for slices in expanded.values():
        # Other values for other samples must leave the second one alone.
        _disturb_others(slices)
        slices.requires_grad_()
    replaced, weights = {**reference.parameters, **expanded}, reference.weights[[0, 1, 0]]
    try:
        with torch.enable_grad(), network.entered(replaced) as root, _disturbed(root, loud):
            logits = root(_between_others(reference))
        if not reference.is_second(logits[1:2]):
            return
        gradients = torch.autograd.grad(
            logits, list(expanded.values()), weights, allow_unused=True, materialize_grads=True
        )
    except Exception:  # noqa: BLE001  # a network may raise anything at a shape of another rank
        return
    for name, gradient in zip(expanded, gradients, strict=True):
        if reference.agrees(name, gradient[1]):
            yield Term(name, "", "expanded", entries=gradient[1].numel())
