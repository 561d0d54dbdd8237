"""Routes of parameters' gradients, proved on two samples.

rule      the layer's normal form (`layer_rules`); routes `weight` and `bias`
expanded  the parameter is broadcast over samples, so each sample gets a slice of its own
generic   anything else: per-sample Jacobians (`jacobians`)
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from conebench.entk.agreement import agrees
from conebench.entk.jacobians import find_mapped, real_entries
from conebench.entk.layer_io import Captured, LayerWatch, capture
from conebench.entk.layer_rules import (
    NoRuleError,
    has_rule,
    layer_gradient,
    layer_inputs,
    weight_gradient,
    weight_shaped,
)
from conebench.entk.memory import GraphMeter
from conebench.entk.routing import Routing, Suspicion
from conebench.entk.row_order import between_others, disturb_others, find_in_order
from conebench.networks.functional import FrozenNetwork
from conebench.networks.reference import Observer, Reference, take_reference

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
    names generic parameters whose gradients are right if the network is mapped over samples. In a
    network that `is_routed`, what is computed depends on values of the inputs.
    """

    terms: list[Term]
    classes: int
    graph_numbers: int
    mapped: frozenset[str] = frozenset()
    is_routed: bool = False


def find_routes(network: FrozenNetwork, x: Float[Tensor, "n ..."]) -> tuple[Routes, Reference]:
    """Find the route of each parameter's gradient.

    Returns them with autograd's gradients, which remain to be proved. A rule or an expansion must
    give these gradients, which belong to the second of two samples and may not be zero. Both are
    for parameters that the network uses once, that are applied to the samples in order, and in a
    network that treats all inputs alike. What fails (a parameter used past its module, samples out
    of order, a subtle layer) is generic.
    """
    seen = _Seen(network)
    reference = take_reference(network, x, seen)
    uses, gradients = reference.uses, reference.gradients
    used = [name for name, g in gradients.items() if name in uses and g.numel()]
    is_routed = seen.suspicion.is_raised and _is_routed(network, reference)
    found: dict[str, Term] = {}
    if not is_routed:
        found = {term.parameter: term for term in _by_rule(network, reference, seen)}
        once = [name for name in used if uses[name] == 1 and name not in found]
        rest = {name: reference.parameters[name] for name in once}
        found = _in_order(network, reference, found, rest, seen.layers.first_of_chain())
    terms = [
        found.get(name) or Term(name, "", "generic", real_entries(reference.parameters[name]))
        for name in used
    ]
    # Of one of the two samples, rounded up.
    graph_numbers = -(-seen.kept_bytes() // (2 * x.element_size()))
    generic = [term.parameter for term in terms if term.route == "generic"]
    mapped = find_mapped(network, reference, generic)
    return Routes(terms, reference.logits.shape[1], graph_numbers, mapped, is_routed), reference


class _Seen(Observer):
    """What the pass of the reference shows of layers that a rule may cover."""

    def __init__(self, network: FrozenNetwork) -> None:
        self._network = network
        self._names = [name for name, m in network.network.named_modules() if has_rule(m)]
        self.gradients: dict[str, Tensor] = {}

    @contextmanager
    def watch(self, root: nn.Module) -> Iterator[None]:
        """Watch layers, what the graph keeps, and calls that may route."""
        self.suspicion, self.layers = Suspicion(), LayerWatch(self._names)
        self._meter = GraphMeter((*self._network.buffers(), *self._network.own.values()))
        with self.layers.hooks(root), self._meter, self.suspicion:
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


def _is_routed(network: FrozenNetwork, reference: Reference) -> bool:
    """Return True if places or an order in a pass depend on the inputs."""
    routing = Routing()
    with routing:
        capture(network, (), reference.samples, reference.parameters)
    return routing.is_found


def _by_rule(network: FrozenNetwork, reference: Reference, seen: _Seen) -> Iterator[Term]:
    for name, y in seen.gradients.items():
        module, (x,) = network.network.get_submodule(name), seen.layers.inputs[name]
        for own in ("weight", "bias"):
            parameter = f"{name}.{own}" if name else own
            if reference.uses.get(parameter) == 1:
                term = _rule_term(module, (name, own), x, y, reference.gradients[parameter])
                if term is not None:
                    yield term


def _in_order(
    network: FrozenNetwork,
    reference: Reference,
    ruled: Mapping[str, Term],
    rest: Mapping[str, Tensor],
    first: Mapping[str, str],
) -> dict[str, Term]:
    """Return the terms by rule that are in order, and those of the rest that can be expanded."""
    # The rows of a layer that takes another one's output are in order if those are.
    modules = list({first.get(term.module, term.module) for term in ruled.values()})
    found = dict(ruled)
    for candidates in _expandable(rest):
        # The first pass shows both if all is well.
        captured = _disturbed(network, reference, candidates, modules)
        if captured is not None:
            modules = []
        elif modules:
            captured = _disturbed(network, reference, candidates, ())
        if captured is not None:
            found |= {term.parameter: term for term in _expanded(captured, reference)}
    in_order = find_in_order(network, reference, modules)
    wrong = set(modules) - in_order
    return {n: t for n, t in found.items() if first.get(t.module, t.module) not in wrong}


def _rule_term(
    module: nn.Module, place: tuple[str, str], x: Tensor, y: Tensor, expected: Tensor
) -> Term | None:
    """Return a parameter's term, None if its rule fails."""
    name, own = place
    try:
        b = layer_gradient(module, y, 2)  # [2, g, q, s]
        if own == "bias":
            gradient = b[1].sum(-1).reshape(expected.shape)
            shape = (b.shape[1], b.shape[3], 1, b.shape[2])
        else:
            a = layer_inputs(module, x, 2)  # [2, g, s, p]
            gradient = weight_shaped(module, weight_gradient(a[1:], b[1:])[0])
            shape = (*a.shape[1:], b.shape[2])
    except (NoRuleError, RuntimeError):
        return None
    if not agrees(gradient, expected):
        return None
    groups, positions, inputs, outputs = shape
    return Term(
        parameter=f"{name}.{own}" if name else own,
        module=name,
        route="bias" if own == "bias" else "weight",
        entries=expected.numel(),
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


def _disturbed(
    network: FrozenNetwork,
    reference: Reference,
    candidates: Mapping[str, Tensor],
    modules: Collection[str],
) -> Captured | None:
    """Run with other values for other samples; return None unless they leave the second alone."""
    expanded = {name: expand(p, 3).clone() for name, p in candidates.items()}
    for slices in expanded.values():
        disturb_others(slices)
        slices.requires_grad_()
    try:
        x = between_others(reference)
        captured = capture(network, (), x, reference.parameters, expanded, modules)
    except Exception:  # noqa: BLE001  # a network may raise anything at a shape of another rank
        return None
    return captured if agrees(captured.logits[1:2], reference.logits[1:]) else None


def _expanded(captured: Captured, reference: Reference) -> Iterator[Term]:
    """Yield terms of the expanded parameters with the right gradients."""
    try:
        gradients = captured.gradients(reference.weights[[0, 1, 0]], keep=False)
    except RuntimeError:
        return
    for name, gradient in gradients.items():
        expected = reference.gradients[name]
        if agrees(gradient[1].reshape(expected.shape), expected):
            yield Term(name, "", "expanded", entries=expected.numel())
