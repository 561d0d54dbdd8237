"""A finished kernel against the network itself: K u beside J (J^T u) by automatic derivatives."""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from conebench.entk.contraction import Outputs
from conebench.networks.functional import call_with, frozen_copy

SAMPLES_AT_ONCE = 32

TensorDict = dict[str, Tensor]


def self_check(
    model: nn.Module,
    x: Float[Tensor, "n ..."],
    kernel: Tensor,
    outputs: Outputs,
    *,
    directions: int = 3,
    seed: int = 0,
) -> float:
    """Largest ||K u - J (J^T u)|| / ||J (J^T u)|| over random directions u.

    J^T u is one reverse pass and J v one forward-mode pass over all samples, so neither the
    kernel's layer rules nor its contractions are met again.

    Args:
        model: the network in evaluation mode, with a forward-mode derivative.
        x: the inputs the kernel was built on.
        kernel: what `empirical_ntk(model, x, outputs=outputs)` gave.
        outputs: the kernel's reduction.
        directions: how many random directions.
        seed: draws them.

    """
    frozen = frozen_copy(model, share=True)
    parameters = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        classes = frozen(x[:2]).shape[1]
    generator = torch.Generator().manual_seed(seed)
    worst = 0.0
    for _ in range(directions):
        u = torch.randn(len(x), classes, generator=generator, dtype=torch.float64).to(x)
        expected, found = _both(frozen, parameters, x, kernel, outputs, u)
        worst = max(worst, float((found - expected).norm() / expected.norm()))
    return worst


def _both(
    frozen: nn.Module,
    parameters: TensorDict,
    x: Tensor,
    kernel: Tensor,
    outputs: Outputs,
    u: Float[Tensor, "n c"],
) -> tuple[Tensor, Tensor]:
    """J (J^T u) and K u in the kernel's reduction; `trace` and `sum` use the first column of u."""
    if outputs == "full":
        return _kernel_product(frozen, parameters, x, u), torch.tensordot(kernel, u, dims=2)
    weights, classes = u[:, :1], u.shape[1]
    if outputs == "sum":
        product = _kernel_product(frozen, parameters, x, weights.expand(-1, classes))
        return product.sum(1) / classes, kernel @ weights[:, 0]
    total = torch.zeros_like(weights[:, 0])
    for one_hot in torch.eye(classes, dtype=u.dtype, device=u.device):
        total += _kernel_product(frozen, parameters, x, weights * one_hot) @ one_hot
    return total / classes, kernel @ weights[:, 0]


def _kernel_product(
    frozen: nn.Module, parameters: TensorDict, x: Tensor, u: Float[Tensor, "n c"]
) -> Float[Tensor, "n c"]:
    """J (J^T u)."""
    leaves = {name: p.clone().requires_grad_() for name, p in parameters.items()}
    pulled = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for rows, part in _parts(x):
        with torch.enable_grad():
            logits = call_with(frozen, leaves, part)[: rows.stop - rows.start]
            scalar = (logits * u[rows]).sum()
        found = torch.autograd.grad(scalar, list(leaves.values()), allow_unused=True)
        for name, gradient in zip(leaves, found, strict=True):
            if gradient is not None:
                pulled[name] += gradient
    return torch.cat(
        [
            _pushed(frozen, parameters, pulled, part)[: rows.stop - rows.start]
            for rows, part in _parts(x)
        ]
    )


def _parts(x: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Parts of the samples; a lone one is given twice, as in `Samples.chunks`."""
    for start in range(0, len(x), SAMPLES_AT_ONCE):
        part = x[start : start + SAMPLES_AT_ONCE]
        yield slice(start, start + len(part)), torch.cat([part, part]) if len(part) == 1 else part


def _pushed(
    frozen: nn.Module, parameters: TensorDict, tangents: Mapping[str, Tensor], x: Tensor
) -> Float[Tensor, "n c"]:
    def logits(moving: TensorDict) -> Tensor:
        return call_with(frozen, moving, x)

    # Fused attention has no forward-mode derivative.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        pushed: Tensor = jvp(logits, (parameters,), (dict(tangents),))[1]
    return pushed
