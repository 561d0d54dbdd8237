"""Inputs and output gradients of a network's layers, and which layers a rule truly covers."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from conebench.entk.layer_rules import RULES, NormalForm, gradients_by_name, normal_form

TOLERANCES = {torch.float64: 1e-8, torch.float32: 1e-3}


class Layer(NamedTuple):
    """A module by its name, and which of its own parameters are trained."""

    name: str
    trained: tuple[str, ...]

    @property
    def parameter_names(self) -> list[str]:
        """The trained parameters by their names in the network."""
        return [f"{self.name}.{own}" if self.name else own for own in self.trained]


class Covered(NamedTuple):
    """A layer whose rule was found right, with the shape of its normal form for one sample."""

    layer: Layer
    groups: int
    positions: int
    inputs: int
    outputs: int

    @property
    def entries(self) -> int:
        """Number of parameter entries."""
        return self.groups * self.inputs * self.outputs


def frozen_copy(network: nn.Module) -> nn.Module:
    """A copy in which no parameter asks for gradients: backward passes then form none of them."""
    return copy.deepcopy(network).requires_grad_(False)


def covered_layers(
    network: nn.Module, frozen: nn.Module, x: Float[Tensor, "n ..."]
) -> list[Covered]:
    """The layers whose per-sample gradient follows from a rule, each proved on two samples.

    The second sample's gradient by the rule must equal autograd's. What fails (a parameter used
    twice or past its module, samples out of order, a subtle layer) is not covered, and goes
    through the generic path.
    """
    # Two samples that differ, whatever the data: equal ones would hide rows out of order.
    pair = torch.cat([x[:1], 0.25 + 0.5 * x[:1].flip(-1)])
    candidates = _candidates(network)
    with torch.no_grad():
        classes = network(pair).shape[1]
    direction = torch.linspace(0.5, 1.5, classes, dtype=x.dtype, device=x.device)
    forms = layer_forms(frozen, candidates, pair, direction[None])
    names = [name for layer in candidates for name in layer.parameter_names]
    wanted = [network.get_parameter(name) for name in names]
    if not wanted:
        return []
    logits = network(pair)[1] @ direction
    found = torch.autograd.grad(logits, wanted, allow_unused=True)
    autograd = dict(zip(names, found, strict=True))
    covered = []
    for layer in candidates:
        form = forms.get(layer.name)
        if form is None or not _agrees(network, layer, form, autograd):
            continue
        _, groups, positions, inputs = form.inputs.shape
        covered.append(Covered(layer, groups, positions, inputs, form.gradients.shape[-1]))
    return covered


def _candidates(network: nn.Module) -> list[Layer]:
    """Modules that have a rule and share no parameter with another module."""
    owners: dict[int, int] = {}
    for module in network.modules():
        for parameter in module.parameters(recurse=False):
            owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    found = []
    for name, module in network.named_modules():
        own = dict(module.named_parameters(recurse=False))
        trained = tuple(n for n, p in own.items() if p.requires_grad)
        alone = all(owners[id(p)] == 1 for p in own.values())
        if type(module) in RULES and trained and alone:
            found.append(Layer(name, trained))
    return found


def _agrees(
    network: nn.Module, layer: Layer, form: NormalForm, autograd: Mapping[str, Tensor | None]
) -> bool:
    module = network.get_submodule(layer.name)
    gradient = torch.einsum("gsq,gsp->gqp", form.gradients[1, 0], form.inputs[1])
    by_rule = gradients_by_name(module, layer.trained, gradient)
    for own, name in zip(layer.trained, layer.parameter_names, strict=True):
        expected = autograd[name]
        if expected is None:
            return False
        error = float((by_rule[own] - expected).norm())
        if not error <= TOLERANCES.get(expected.dtype, 1e-2) * float(expected.norm()):
            return False
    return True


def layer_forms(
    frozen: nn.Module,
    layers: Sequence[Layer],
    x: Float[Tensor, "n ..."],
    basis: Float[Tensor, "r c"],
) -> dict[str, NormalForm]:
    """Normal forms of layers by name, for gradients of f(x_i) . basis_r.

    One forward pass and r backward passes over the data; no gradient of a parameter is formed.
    Layers that are not called exactly once with one tensor, or whose rows are no multiple of the
    samples, are missing from the result.
    """
    inputs: dict[str, list[Tensor]] = {layer.name: [] for layer in layers}
    handles: dict[str, Tensor] = {}

    def watch(name: str):  # type: ignore[no-untyped-def]
        def hook(_: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
            inputs[name].append(arguments[0].detach())
            # Adding a zero gives a handle on the output's gradient that survives in-place
            # operations on the output itself.
            zero = torch.zeros((), dtype=output.dtype, device=output.device, requires_grad=True)
            handles[name] = zero.expand_as(output)
            return output + handles[name]

        return hook

    with ExitStack() as stack:
        for layer in layers:
            module = frozen.get_submodule(layer.name)
            stack.callback(module.register_forward_hook(watch(layer.name)).remove)
        logits = frozen(x)
    usable = [
        layer
        for layer in layers
        if len(inputs[layer.name]) == 1 and len(inputs[layer.name][0]) % len(x) == 0
    ]
    gradients = _output_gradients(logits, [handles[layer.name] for layer in usable], basis)
    forms = {}
    for layer, y in zip(usable, gradients, strict=True):
        module = frozen.get_submodule(layer.name)
        form = normal_form(module, layer.trained, inputs[layer.name][0], y)
        if form is not None:
            forms[layer.name] = form
    return forms


def _output_gradients(
    logits: Float[Tensor, "n c"], handles: Sequence[Tensor], basis: Float[Tensor, "r c"]
) -> list[Tensor]:
    """Gradients of logits . basis_r in each handle [n k, ...], as [n, r, k, ...] or [n, r, ...]."""
    if not handles:
        return []
    n = len(logits)
    columns: list[list[Tensor]] = [[] for _ in handles]
    for index, direction in enumerate(basis):
        found = torch.autograd.grad(
            (logits @ direction).sum(),
            handles,
            retain_graph=index + 1 < len(basis),
            allow_unused=True,
        )
        for column, handle, gradient in zip(columns, handles, found, strict=True):
            value = torch.zeros_like(handle) if gradient is None else gradient
            column.append(value if len(value) == n else value.reshape(n, -1, *value.shape[1:]))
    return [torch.stack(column, dim=1) for column in columns]
