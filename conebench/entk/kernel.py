"""Exact empirical NTKs: layer by layer where a rule covers the layer, else from Jacobians."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from conebench.entk.contraction import (
    Outputs,
    add_pairwise,
    add_products,
    contraction_work,
    explicit_gradients,
)
from conebench.entk.jacobian import jacobian_pieces
from conebench.entk.layer_rules import NormalForm
from conebench.entk.layers import Covered, covered_layers, frozen_copy, layer_forms

DEFAULT_MEMORY_LIMIT = 2 * 2**30


class KernelError(ValueError):
    """A kernel that cannot be built: the message says why."""


class Inputs(NamedTuple):
    """All inputs of a kernel: x1, then x2 unless the kernel is symmetric."""

    rows: Tensor
    split: int | None
    basis: Float[Tensor, "r c"]
    outputs: Outputs


def empirical_ntk(
    model: nn.Module,
    x1: Float[Tensor, "n ..."],
    x2: Float[Tensor, "m ..."] | None = None,
    *,
    outputs: Outputs = "full",
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
) -> Tensor:
    """Empirical NTK between x1 and x2 (x1 again if None) over all trainable parameters.

    Args:
        model: in evaluation mode; logits [n, c] for inputs [n, ...].
        x1: first inputs, n of them.
        x2: second inputs, m of them, of the shape of x1's.
        outputs: `full` -> [n, c, m, c]; `trace` -> [n, m], sum_c H[(i,c),(j,c)] / C; `sum` ->
            [n, m], the kernel of sum_c f_c / sqrt(C) (pseudo-NTK; Mohamadi et al. 2023).
        memory_limit: bytes for what is kept of layers or Jacobians at one time.

    Raises:
        KernelError: training mode, no trainable parameter, no inputs, inputs of two shapes, NaN
            or infinity, or a parameter that was not counted.

    Source: Novak et al. 2022, arXiv 2206.08720, structured derivatives and Jacobian contraction.

    """
    _check(model, x1, x2)
    parameters = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        classes = model(x1[:1]).shape[1]
    inputs = Inputs(
        rows=x1 if x2 is None else torch.cat([x1, x2]),
        split=None if x2 is None else len(x1),
        basis=_output_basis(classes, x1, outputs),
        outputs=outputs,
    )
    height = len(x1) * (classes if outputs == "full" else 1)
    width = height if x2 is None else len(x2) * (classes if outputs == "full" else 1)
    kernel = x1.new_zeros(height, width)
    frozen = frozen_copy(model)
    covered = covered_layers(model, frozen, x1)
    counted = _add_layers(kernel, frozen, covered, inputs, memory_limit)
    rest = dict(parameters)
    for layer in covered:
        for name in layer.layer.parameter_names:
            del rest[name]
    for piece in jacobian_pieces(frozen, rest, inputs.rows, inputs.basis, memory_limit):
        counted += piece.shape[2]
        add_products(kernel, *_halves(piece, inputs.split), outputs)
    expected = sum(p.numel() for p in parameters.values())
    if counted != expected:
        raise KernelError(f"the kernel counted {counted} of {expected} trainable parameters")
    return _finished(kernel, inputs, classes)


def as_matrix(kernel: Tensor) -> Float[Tensor, "rows columns"]:
    """[n, c, m, c] as [n c, m c], rows ordered by (sample, class); [n, m] as it is."""
    return kernel.flatten(0, 1).flatten(1) if kernel.ndim == 4 else kernel


def _check(model: nn.Module, x1: Tensor, x2: Tensor | None) -> None:
    if any(module.training for module in model.modules()):
        raise KernelError("the model is in training mode: call model.eval() first")
    if not any(p.requires_grad for p in model.parameters()):
        raise KernelError("the model has no trainable parameters")
    if len(x1) == 0 or (x2 is not None and len(x2) == 0):
        raise KernelError("there are no inputs")
    if x2 is not None and x1.shape[1:] != x2.shape[1:]:
        raise KernelError(f"inputs of two shapes: {list(x1.shape[1:])} and {list(x2.shape[1:])}")


def _output_basis(classes: int, x: Tensor, outputs: Outputs) -> Float[Tensor, "r c"]:
    """The r directions in logit space along which gradients are taken."""
    if outputs == "sum":
        return x.new_full((1, classes), classes**-0.5)
    return torch.eye(classes, dtype=x.dtype, device=x.device)


def _halves(piece: Tensor, split: int | None) -> tuple[Tensor, Tensor | None]:
    return (piece, None) if split is None else (piece[:split], piece[split:])


def _finished(kernel: Tensor, inputs: Inputs, classes: int) -> Tensor:
    if inputs.split is None:
        kernel = kernel.tril() + kernel.tril(-1).T
    if not bool(torch.isfinite(kernel).all()):
        raise KernelError("the kernel has NaN or infinite entries: check weights and inputs")
    if inputs.outputs == "full":
        rows, columns = kernel.shape
        return kernel.reshape(rows // classes, classes, columns // classes, classes)
    return kernel / len(inputs.basis)


class Kept(NamedTuple):
    """What is kept of a layer for all samples: outputs start..stop of J, or the normal form."""

    covered: Covered
    pairwise: bool
    start: int
    stop: int
    numbers: int


def _add_layers(
    kernel: Tensor, frozen: nn.Module, covered: list[Covered], inputs: Inputs, memory_limit: int
) -> int:
    """Add the kernels of all covered layers; returns how many parameter entries that were."""
    counted = 0
    budget = max(1, memory_limit // (2 * inputs.rows.element_size()))
    for group in _groups(covered, inputs, budget):
        for kept, value in zip(group, _collect(frozen, group, inputs, budget), strict=True):
            counted += kept.covered.groups * kept.covered.inputs * (kept.stop - kept.start)
            if isinstance(value, NormalForm):
                split = inputs.split
                left = NormalForm(value.inputs[:split], value.gradients[:split])
                right = None
                if split is not None:
                    right = NormalForm(value.inputs[split:], value.gradients[split:])
                add_pairwise(kernel, left, right, inputs.outputs)
            else:
                add_products(kernel, *_halves(value, inputs.split), inputs.outputs)
    return counted


def _groups(covered: list[Covered], inputs: Inputs, budget: int) -> Iterator[list[Kept]]:
    """Everything to be kept, in order, in groups of at most `budget` numbers where one fits."""
    group: list[Kept] = []
    room = budget
    for layer in covered:
        for kept in _pieces(layer, inputs, budget):
            if group and kept.numbers > room:
                yield group
                group, room = [], budget
            group.append(kept)
            room -= kept.numbers
    if group:
        yield group


def _pieces(layer: Covered, inputs: Inputs, budget: int) -> Iterator[Kept]:
    n, r = len(inputs.rows), len(inputs.basis)
    work = contraction_work(layer, n, r, inputs.outputs)
    if work["pairwise"] < work["explicit"]:
        numbers = n * layer.groups * layer.positions * (layer.inputs + r * layer.outputs)
        yield Kept(layer, True, 0, layer.outputs, numbers)
        return
    one_output = n * r * layer.groups * layer.inputs
    step = max(1, budget // one_output)
    for start in range(0, layer.outputs, step):
        stop = min(layer.outputs, start + step)
        yield Kept(layer, False, start, stop, one_output * (stop - start))


def _collect(
    frozen: nn.Module, group: list[Kept], inputs: Inputs, budget: int
) -> list[Tensor | NormalForm]:
    """The kept numbers of a group for all samples, from chunks of samples within the budget."""
    layers = list(dict.fromkeys(kept.covered.layer for kept in group))
    shapes = {kept.covered.layer: kept.covered for kept in group}.values()
    sample = sum(
        c.groups * c.positions * (c.inputs + 2 * len(inputs.basis) * c.outputs) for c in shapes
    )
    chunk = max(1, budget // max(1, sample))
    parts: list[list[Tensor | NormalForm]] = [[] for _ in group]
    for rows in torch.split(inputs.rows, chunk):
        forms = layer_forms(frozen, layers, rows, inputs.basis)
        for kept, part in zip(group, parts, strict=True):
            form = forms[kept.covered.layer.name]
            part.append(form if kept.pairwise else explicit_gradients(form, kept.start, kept.stop))
    return [_joined(part) for part in parts]


def _joined(parts: list[Tensor | NormalForm]) -> Tensor | NormalForm:
    if len(parts) == 1:
        return parts[0]
    forms = [part for part in parts if isinstance(part, NormalForm)]
    if forms:
        return NormalForm(
            torch.cat([form.inputs for form in forms]), torch.cat([f.gradients for f in forms])
        )
    return torch.cat([part for part in parts if isinstance(part, Tensor)])
