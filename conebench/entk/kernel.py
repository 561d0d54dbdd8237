"""Exact empirical NTKs of any network, within a memory limit."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, overload

import torch
from jaxtyping import Float
from torch import Tensor, nn

from conebench.entk.contraction import Outputs
from conebench.entk.memory import default_memory_limit
from conebench.entk.passes import Samples, add_pass
from conebench.entk.plan import KernelError, KernelPlan, Size, make_plan
from conebench.entk.routes import Term, cover
from conebench.networks.functional import frozen_copy

Grouping = Callable[[str], str]


@dataclass(frozen=True)
class Prepared:
    """A kernel that is ready to be built: the network frozen, every parameter with its way."""

    frozen: nn.Module
    parameters: dict[str, Tensor]
    samples: Samples
    groups: dict[str, str]
    plan: KernelPlan


@overload
def empirical_ntk(
    model: nn.Module,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    outputs: Outputs = "full",
    memory_limit: int | None = None,
    by: None = None,
) -> Tensor: ...
@overload
def empirical_ntk(
    model: nn.Module,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    outputs: Outputs = "full",
    memory_limit: int | None = None,
    by: Literal["stage"] | Grouping,
) -> dict[str, Tensor]: ...
def empirical_ntk(
    model: nn.Module,
    x1: Float[Tensor, "n ..."],
    x2: Float[Tensor, "m ..."] | None = None,
    *,
    outputs: Outputs = "full",
    memory_limit: int | None = None,
    by: Literal["stage"] | Grouping | None = None,
) -> Tensor | dict[str, Tensor]:
    """Empirical NTK between x1 and x2 (x1 again if None) over all trainable parameters.

    Args:
        model: in evaluation mode; logits [n, c] for inputs [n, ...].
        x1: first inputs, n of them.
        x2: second inputs, m of them, of the shape of x1's.
        outputs: `full` -> [n, c, m, c]; `trace` -> [n, m], sum_c H[(i,c),(j,c)] / C; `sum` ->
            [n, m], the kernel of sum_c f_c / sqrt(C) (pseudo-NTK; Mohamadi et al. 2023).
        memory_limit: bytes for all that a kernel takes beside the network's own parameters;
            None means a quarter of what is free.
        by: None for one kernel; `stage` or a function of a parameter's name for a dict with one
            kernel a group, which add up to the whole.

    Raises:
        KernelError: training mode, no trainable parameter, no inputs, inputs of two shapes, NaN
            or infinity, a memory limit too small, or a parameter that was not counted.

    Source: Novak et al. 2022, arXiv 2206.08720, structured derivatives and Jacobian contraction.

    """
    prepared = prepare(model, x1, x2, outputs=outputs, memory_limit=memory_limit, by=by)
    samples = prepared.samples
    kernels = {group: samples.empty_kernel() for group in sorted(set(prepared.groups.values()))}
    add_passes(prepared, lambda term: kernels[prepared.groups[term.parameter]])
    finished = {group: finish(kernels.pop(group), samples) for group in list(kernels)}
    return finished if by is not None else next(iter(finished.values()))


def plan_ntk(
    model: nn.Module,
    x1: Float[Tensor, "n ..."],
    x2: Float[Tensor, "m ..."] | None = None,
    *,
    outputs: Outputs = "full",
    memory_limit: int | None = None,
) -> KernelPlan:
    """How `empirical_ntk` would build this kernel: the same arguments and errors, little work."""
    return prepare(model, x1, x2, outputs=outputs, memory_limit=memory_limit).plan


def _held_numbers(samples: Samples, groups: int) -> int:
    """One kernel a group, and the copy with which one of them is finished."""
    return (groups + 1) * samples.kernel_numbers


def prepare(
    model: nn.Module,
    x1: Tensor,
    x2: Tensor | None,
    *,
    outputs: Outputs,
    memory_limit: int | None,
    by: Literal["stage"] | Grouping | None = None,
    held_numbers: Callable[[Samples, int], int] = _held_numbers,
) -> Prepared:
    """Check a call, find each parameter's way, and plan.

    `held_numbers` says how many numbers all kernels take at one time, for so many groups.
    """
    _check(model, x1, x2)
    frozen = frozen_copy(model, share=True)
    parameters = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}
    coverage = cover(frozen, parameters, x1)
    samples = Samples.of(x1, x2, coverage.classes, outputs)
    groups = {name: _group(name, by) for name in parameters}
    size = Size(
        rows=len(samples.rows),
        directions=len(samples.basis),
        outputs=outputs,
        held_numbers=held_numbers(samples, len(set(groups.values()))),
        itemsize=x1.element_size(),
        graph_numbers=coverage.graph_numbers,
    )
    limit = default_memory_limit(x1.device) if memory_limit is None else memory_limit
    plan = make_plan(coverage.terms, size, limit)
    return Prepared(frozen, parameters, samples, groups, plan)


def add_passes(prepared: Prepared, kernel_of: Callable[[Term], Tensor]) -> None:
    """Add every parameter's kernel to the one that `kernel_of` gives for it, in order."""
    counted = 0
    for planned in prepared.plan.passes:
        counted += add_pass(
            prepared.frozen,
            prepared.parameters,
            planned,
            prepared.samples,
            kernel_of,
            prepared.plan.slab_numbers,
        )
    expected = sum(p.numel() for p in prepared.parameters.values())
    if counted != expected:
        raise KernelError(f"the kernel counted {counted} of {expected} trainable parameters")


def as_matrix(kernel: Tensor) -> Float[Tensor, "rows columns"]:
    """[n, c, m, c] as [n c, m c], rows ordered by (sample, class); [n, m] as it is."""
    return kernel.flatten(0, 1).flatten(1) if kernel.ndim == 4 else kernel


def stage_of(parameter: str) -> str:
    """The stage of a parameter: its name up to the first part that ends in a number.

    `layer1.0.conv1.weight` -> `layer1`, `blocks.3.attn.qkv.bias` -> `blocks.3`, `fc.weight` ->
    `fc`.
    """
    parts = parameter.split(".")
    numbered = (i for i, part in enumerate(parts[:-1]) if re.search(r"\d$", part))
    return ".".join(parts[: next(numbered, 0) + 1])


def _group(parameter: str, by: Literal["stage"] | Grouping | None) -> str:
    if by is None:
        return ""
    return stage_of(parameter) if by == "stage" else by(parameter)


def _check(model: nn.Module, x1: Tensor, x2: Tensor | None) -> None:
    if any(module.training for module in model.modules()):
        raise KernelError("the model is in training mode: call model.eval() first")
    if not any(p.requires_grad for p in model.parameters()):
        raise KernelError("the model has no trainable parameters")
    if len(x1) == 0 or (x2 is not None and len(x2) == 0):
        raise KernelError("there are no inputs")
    if x2 is not None and x1.shape[1:] != x2.shape[1:]:
        raise KernelError(f"inputs of two shapes: {list(x1.shape[1:])} and {list(x2.shape[1:])}")
    tensors: Mapping[str, Tensor | None] = {"x1": x1, "x2": x2, **dict(model.named_parameters())}
    for name, tensor in tensors.items():
        if tensor is not None and not bool(torch.isfinite(tensor).all()):
            raise KernelError(f"{name} has NaN or infinite entries")


def finish(K: Tensor, samples: Samples) -> Tensor:
    """The kernel with both triangles filled, rows ordered by (sample, class)."""
    if samples.symmetric:
        matrix = K.view(samples.kernel_side, samples.kernel_side)
        below = matrix.tril(-1)
        matrix.tril_().add_(below.T)
        del below  # three copies at one time would be one more than the plan counts
    if not bool(torch.isfinite(K).all()):
        raise KernelError("the kernel has NaN or infinite entries: its gradients overflow")
    if samples.outputs == "full":
        return K.permute(1, 0, 3, 2).contiguous()
    return (K / len(samples.basis)).view(samples.split, samples.columns)
