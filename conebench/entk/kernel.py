"""Exact empirical NTKs from per-sample Jacobians, contracted a slice of the parameters at a time.

H[(i, c), (j, d)] = <grad_theta f_c(x_i), grad_theta f_d(x_j)> is a sum over parameters, so
Jacobians of a few parameters at a time suffice: the whole Jacobian never exists.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

Outputs = Literal["full", "trace", "sum"]
OUTPUTS: tuple[Outputs, ...] = get_args(Outputs)

DEFAULT_MEMORY_LIMIT = 2 * 2**30
MAX_BACKWARD_PIXELS = 320 * 32 * 32


class KernelError(ValueError):
    """A kernel that cannot be built: the message says why."""


class Piece(NamedTuple):
    """Entries start..stop of one flattened parameter."""

    name: str
    start: int
    stop: int


def empirical_ntk(
    model: nn.Module,
    x1: Float[Tensor, "n ch h w"],
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
        memory_limit: bytes for the Jacobian slices that exist at one time.

    Raises:
        KernelError: training mode, no trainable parameter, no inputs, inputs of two shapes, NaN
            or infinity, or a parameter that was not counted.

    Source: Novak et al. 2022, arXiv 2206.08720, "Jacobian contraction", sliced by parameters.

    """
    _check(model, x1, x2)
    parameters = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}
    rows = x1 if x2 is None else torch.cat([x1, x2])
    basis = _output_basis(model, x1, outputs)
    budget = max(1, memory_limit // (2 * len(basis) * len(rows) * x1.element_size()))
    kernel: Tensor | None = None
    counted = 0
    for group in _groups(parameters, budget):
        for jacobian in _jacobians(model, parameters, group, rows, basis, memory_limit // 2):
            right = jacobian if x2 is None else jacobian[len(x1) :]
            block = _contract(jacobian[: len(x1)], right, outputs)
            kernel = block if kernel is None else kernel.add_(block)
            counted += jacobian.shape[2]
    expected = sum(p.numel() for p in parameters.values())
    if kernel is None or counted != expected:
        raise KernelError(f"the kernel counted {counted} of {expected} trainable parameters")
    if not bool(torch.isfinite(kernel).all()):
        raise KernelError("the kernel has NaN or infinite entries: check weights and inputs")
    return kernel


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


def _output_basis(model: nn.Module, x: Tensor, outputs: Outputs) -> Float[Tensor, "r c"]:
    """The r directions in logit space along which gradients are taken."""
    with torch.no_grad():
        classes = model(x[:1]).shape[1]
    if outputs == "sum":
        return x.new_full((1, classes), classes**-0.5)
    return torch.eye(classes, dtype=x.dtype, device=x.device)


def _groups(parameters: dict[str, Tensor], budget: int) -> Iterator[list[Piece]]:
    """All entries of all parameters, in order, in groups of at most `budget` entries."""
    group: list[Piece] = []
    room = budget
    for name, parameter in parameters.items():
        start = 0
        while start < parameter.numel():
            stop = min(parameter.numel(), start + room)
            group.append(Piece(name, start, stop))
            room -= stop - start
            start = stop
            if room == 0:
                yield group
                group, room = [], budget
    if group:
        yield group


def _jacobians(
    model: nn.Module,
    parameters: dict[str, Tensor],
    group: list[Piece],
    x: Tensor,
    basis: Float[Tensor, "r c"],
    chunk_bytes: int,
) -> list[Float[Tensor, "n r piece"]]:
    """Jacobians of all samples in the directions of the basis, one tensor a piece."""
    names = {piece.name for piece in group}
    moving = {name: parameters[name] for name in parameters if name in names}
    sample_bytes = len(basis) * sum(p.numel() for p in moving.values()) * x.element_size()
    pixels = len(basis) * x.shape[-1] * x.shape[-2]
    chunk = max(1, min(chunk_bytes // sample_bytes, MAX_BACKWARD_PIXELS // pixels))
    found = [x.new_empty((len(x), len(basis), p.stop - p.start)) for p in group]
    for start in range(0, len(x), chunk):
        part = x[start : start + chunk]
        gradients = _gradients(model, moving, part, basis)
        for piece, store in zip(group, found, strict=True):
            flat = gradients[piece.name].flatten(2)
            store[start : start + len(part)] = flat[:, :, piece.start : piece.stop]
    return found


def _gradients(
    model: nn.Module, moving: dict[str, Tensor], x: Tensor, basis: Tensor
) -> dict[str, Tensor]:
    """Per-sample gradients of f(x_i) . basis_r, each [b, r, *parameter shape]."""

    def of_sample(sample: Tensor) -> dict[str, Tensor]:
        def logits(parameters: dict[str, Tensor]) -> Tensor:
            return functional_call(model, parameters, (sample[None],))[0]  # type: ignore[no-any-return]

        pull_back = vjp(logits, moving)[1]
        return vmap(lambda direction: pull_back(direction)[0])(basis)  # type: ignore[no-any-return]

    # Fused attention cannot be batched over samples and classes.
    with sdpa_kernel(SDPBackend.MATH):
        return vmap(of_sample)(x)


def _contract(left: Tensor, right: Tensor, outputs: Outputs) -> Tensor:
    if outputs == "full":
        product = left.flatten(0, 1) @ right.flatten(0, 1).T
        return product.reshape(*left.shape[:2], *right.shape[:2])
    return left.flatten(1) @ right.flatten(1).T / left.shape[1]
