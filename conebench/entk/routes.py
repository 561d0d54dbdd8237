"""Routes of parameters' gradients, proved on two samples.

rule      the layer's normal form (`layer_rules`); routes `weight` and `bias`
expanded  the parameter is broadcast over samples, so each sample gets a slice of its own
generic   anything else: per-sample Jacobians (`jacobians`)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from conebench.entk.layer_io import capture
from conebench.entk.layer_rules import (
    NoRuleError,
    has_rule,
    layer_gradient,
    layer_inputs,
    weight_gradient,
    weight_shaped,
)
from conebench.entk.memory import GraphMeter
from conebench.networks.functional import call_with

Route = Literal["weight", "bias", "expanded", "generic"]

# Largest relative error of a gradient that counts as equal to autograd's.
TOLERANCES = {torch.float64: 1e-8, torch.float32: 1e-3}


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

    `graph_numbers` counts what a forward pass keeps of one sample for its backward passes.
    """

    terms: list[Term]
    classes: int
    graph_numbers: int


def find_routes(
    network: nn.Module, parameters: Mapping[str, Tensor], x: Float[Tensor, "n ..."]
) -> Routes:
    """Find the route of each parameter's gradient.

    A rule or an expansion must give autograd's gradient for the second of two samples. What fails
    (a parameter used twice or past its module, samples out of order, a subtle layer) is generic.
    """
    pair = differing_pair(x)
    autograd, logits = _reference(network, parameters, pair)
    meter = GraphMeter(network)
    found = {term.parameter: term for term in _by_rule(network, pair, autograd, meter)}
    rest = {name: p for name, p in parameters.items() if name not in found}
    for candidates in _expandable(rest):
        for term in _by_expansion(network, candidates, pair, autograd, logits):
            found[term.parameter] = term
    terms = [
        found.get(name) or Term(name, "", "generic", entries=parameter.numel())
        for name, parameter in parameters.items()
    ]
    # Of one of the two samples, rounded up.
    graph_numbers = -(-meter.kept_bytes // (2 * x.element_size()))
    return Routes(terms, logits.shape[1], graph_numbers)


def expand(parameter: Tensor, n: int) -> Tensor:
    """Return a leaf with one slice per sample."""
    # [1, ...] -> [n, ...], [d] -> [n, 1, d]
    slices = parameter if parameter.ndim > 1 else parameter[None]
    return slices.detach().expand(n, *slices.shape[1:] if parameter.ndim > 1 else slices.shape)


def differing_pair(x: Float[Tensor, "n ..."]) -> Float[Tensor, "2 ..."]:
    """Return two samples that differ, whatever the data."""
    # Equal ones would hide rows out of order.
    return torch.cat([x[:1], 0.25 + 0.5 * x[:1].flip(-1)])


def mixed_direction(classes: int, like: Tensor) -> Float[Tensor, " c"]:
    """Return a direction that weights every class differently."""
    return torch.linspace(0.5, 1.5, classes, dtype=like.dtype, device=like.device)


def _reference(
    network: nn.Module, parameters: Mapping[str, Tensor], pair: Tensor
) -> tuple[dict[str, Tensor | None], Tensor]:
    """Return autograd's gradients for the second sample, and logits."""
    leaves = {name: p.detach().requires_grad_() for name, p in parameters.items()}
    with torch.enable_grad():
        logits = call_with(network, leaves, pair)
        scalar = logits[1] @ mixed_direction(logits.shape[1], logits)
        gradients = torch.autograd.grad(scalar, list(leaves.values()), allow_unused=True)
    return dict(zip(leaves, gradients, strict=True)), logits.detach()


def _by_rule(
    network: nn.Module, pair: Tensor, autograd: Mapping[str, Tensor | None], meter: GraphMeter
) -> Iterator[Term]:
    modules = [name for name, m in network.named_modules() if has_rule(m)]
    with meter:
        captured = capture(network, modules, pair)
    # Inputs of layers are kept even where the graph does not need them.
    for x in captured.inputs.values():
        meter.add(x)
    direction = mixed_direction(captured.logits.shape[1], captured.logits)
    for name, y in captured.gradients(direction, keep=False).items():
        module = network.get_submodule(name)
        for own in ("weight", "bias"):
            parameter = f"{name}.{own}" if name else own
            expected = autograd.get(parameter)
            if expected is not None:
                term = _rule_term(module, (name, own), captured.inputs[name], y, expected)
                if term is not None:
                    yield term


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
    leading = {n: p for n, p in parameters.items() if p.ndim > 1 and p.shape[0] == 1}
    # A scale of the last axis broadcasts over samples and positions.
    scales = {n: p for n, p in parameters.items() if p.ndim == 1}
    return [candidates for candidates in (leading, scales) if candidates]


def _by_expansion(
    network: nn.Module,
    candidates: Mapping[str, Tensor],
    pair: Tensor,
    autograd: Mapping[str, Tensor | None],
    logits: Tensor,
) -> Iterator[Term]:
    expanded = {name: expand(p, 2).requires_grad_() for name, p in candidates.items()}
    try:
        captured = capture(network, (), pair, expanded)
        if not agrees(captured.logits, logits):
            return
        gradients = captured.gradients(mixed_direction(logits.shape[1], logits), keep=False)
    except Exception:  # noqa: BLE001  # a network may raise anything at a shape of another rank
        return
    for name, gradient in gradients.items():
        expected = autograd[name]
        if expected is not None and agrees(gradient[1].reshape(expected.shape), expected):
            yield Term(name, "", "expanded", entries=expected.numel())


def agrees(found: Tensor, expected: Tensor) -> bool:
    """Return True if gradients are equal up to rounding."""
    if found.shape != expected.shape:
        return False
    # Written so that NaN agrees with nothing.
    error = float((found.detach() - expected).norm())
    return error <= TOLERANCES.get(expected.dtype, 1e-2) * float(expected.norm())
