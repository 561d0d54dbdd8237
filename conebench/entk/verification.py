"""Check of a finished kernel against the network."""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from conebench.entk.contraction import Outputs
from conebench.entk.proof import kernel_function, plain
from conebench.errors import KernelError
from conebench.networks.functional import FrozenNetwork, converted
from conebench.networks.kept import forget_kept
from conebench.text import first_line

SAMPLES_AT_ONCE = 32
# A larger error by forward mode may be its own.
CLEAR = {torch.float64: 1e-6, torch.float32: 1e-3}
# Step of differences in each parameter, in float64.
STEP = 1e-7

TensorDict = dict[str, Tensor]
# Returns J v for a network, its parameters, v and inputs.
Push = Callable[[FrozenNetwork, TensorDict, Mapping[str, Tensor], Tensor], Tensor]


@kernel_function
def self_check(
    model: nn.Module,
    x: Float[Tensor, "n ..."],
    kernel: Tensor,
    outputs: Outputs,
    *,
    directions: int = 3,
    seed: int = 0,
) -> float:
    """Compare a kernel with the network's own derivatives.

    J^T u is one reverse pass and J v one forward-mode pass over all samples, so neither the
    kernel's layer rules nor its contractions are used again. Where forward mode is missing or
    disagrees, since some operators drop tangents, J v is a central difference in float64.

    Args:
        model: network in evaluation mode.
        x: inputs the kernel was built on.
        kernel: result of `empirical_ntk(model, x, outputs=outputs)`.
        outputs: the kernel's reduction.
        directions: number of random directions u.
        seed: seed of the directions.

    Returns:
        The largest ||K u - J (J^T u)|| / ||J (J^T u)|| over the directions; NaN if K has NaN.

    Raises:
        KernelError: a kernel of another shape or type, or a network without a forward-mode
            derivative that does not run in float64.

    Example:
        For a linear layer without bias the trace kernel is x x^T.

        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> linear = nn.Linear(2, 3, bias=False).eval()
        >>> self_check(linear, x, x @ x.T, "trace") < 1e-6
        True
        >>> self_check(linear, x, x @ x.T + 1, "trace") > 0.01
        True

    """
    network = FrozenNetwork(model, is_anchored=False)
    x = plain(x)
    forget_kept(network, x)
    parameters = {name: network.own[name].detach() for name in network.trainable}
    with torch.no_grad():
        classes = network(x[:2]).shape[1]
    _check_kernel(kernel, x, classes if outputs == "full" else None)

    def product(push: Push, u: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        return _kernel_product(network, parameters, x, u, push)

    generator = torch.Generator().manual_seed(seed)
    errors = torch.zeros(directions, dtype=torch.float64)
    for i in range(directions):
        # Drawn on the CPU, so that every device sees the same.
        u = torch.randn(len(x), classes, generator=generator, dtype=torch.float64).to(x)
        errors[i] = _error(product, kernel, outputs, u)
    # NaN is the largest.
    return float(errors.max())


def _check_kernel(kernel: Tensor, x: Tensor, classes: int | None) -> None:
    """Refuse a kernel that is not of these inputs; `classes` is None if it has no axes of them."""
    shape = [len(x)] * 2 if classes is None else [len(x), classes] * 2
    if list(kernel.shape) != shape or kernel.dtype != x.dtype:
        raise KernelError(
            f"kernel: got {list(kernel.shape)} of {kernel.dtype}, expected {shape} of {x.dtype}"
        )


def _error(
    product: Callable[[Push, Tensor], Tensor],
    kernel: Tensor,
    outputs: Outputs,
    u: Float[Tensor, "n c"],
) -> float:
    """Return the relative error of K u by forward mode, or by differences where it is smaller."""

    def by(push: Push) -> float:
        both = _both_products(partial(product, push), kernel, outputs, u)
        # In float64, where squares of small and of large numbers are numbers too.
        expected, found = (side.cpu().double() for side in both)
        error, size = float((found - expected).norm()), float(expected.norm())
        return error / size if size else math.inf if error else 0.0

    errors: list[float] = []
    reasons: list[Exception] = []
    for push in (_jvp, _difference):
        try:
            errors.append(by(push))
        except torch.OutOfMemoryError:
            raise
        except Exception as reason:  # noqa: BLE001  # a network may raise anything in either
            reasons.append(reason)
        if errors and errors[-1] <= CLEAR.get(u.dtype, 1e-1):
            break
    if not errors:
        raise KernelError(
            "the network has no forward-mode derivative and does not run in float64: "
            f"{first_line(reasons[0])}"
        ) from reasons[0]
    return min(errors, key=lambda error: (math.isnan(error), error))


def _both_products(
    product: Callable[[Tensor], Tensor], kernel: Tensor, outputs: Outputs, u: Float[Tensor, "n c"]
) -> tuple[Tensor, Tensor]:
    """Return J (J^T u) and K u in the kernel's reduction."""
    if outputs == "full":
        return product(u), torch.tensordot(kernel, u, dims=2)
    # Kernels of [n, n] are multiplied by the first column of u.
    weights, classes = u[:, :1], u.shape[1]
    if outputs == "sum":
        return product(weights.expand(-1, classes)).sum(1) / classes, kernel @ weights[:, 0]
    total = torch.zeros_like(weights[:, 0])
    for one_hot in torch.eye(classes, dtype=u.dtype, device=u.device):
        total += product(weights * one_hot) @ one_hot
    return total / classes, kernel @ weights[:, 0]


def _kernel_product(
    network: FrozenNetwork, parameters: TensorDict, x: Tensor, u: Float[Tensor, "n c"], push: Push
) -> Float[Tensor, "n c"]:
    """Compute J (J^T u)."""
    leaves = {name: p.clone().requires_grad_() for name, p in parameters.items()}
    pulled = {name: torch.zeros_like(p) for name, p in parameters.items()}  # J^T u
    for rows, part in _parts(x):
        with torch.enable_grad():
            logits = network(part, leaves)[: rows.stop - rows.start]
            scalar = (logits * u[rows]).sum()
        found = torch.autograd.grad(scalar, list(leaves.values()), allow_unused=True)
        for name, gradient in zip(leaves, found, strict=True):
            if gradient is not None:
                pulled[name] += gradient
    return torch.cat(
        [
            push(network, parameters, pulled, part)[: rows.stop - rows.start]
            for rows, part in _parts(x)
        ]
    )


def _parts(x: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield parts of the samples, a lone sample twice."""
    # As `Request.chunks` does, and for its reason.
    for start in range(0, len(x), SAMPLES_AT_ONCE):
        part = x[start : start + SAMPLES_AT_ONCE]
        yield slice(start, start + len(part)), torch.cat([part, part]) if len(part) == 1 else part


def _jvp(
    network: FrozenNetwork, parameters: TensorDict, tangents: Mapping[str, Tensor], x: Tensor
) -> Float[Tensor, "n c"]:
    """Compute J v in one forward-mode pass."""
    # Fused attention has no forward-mode derivative.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), forward_ad.dual_level():
        duals = {
            name: forward_ad.make_dual(p, tangents[name])  # type: ignore[no-untyped-call]
            for name, p in parameters.items()
        }
        value, tangent = forward_ad.unpack_dual(network(x, duals))  # type: ignore[no-untyped-call]
    return torch.zeros_like(value) if tangent is None else tangent


def _difference(
    network: FrozenNetwork, _: TensorDict, tangents: Mapping[str, Tensor], x: Tensor
) -> Float[Tensor, "n c"]:
    """Compute J v as a central difference."""
    size = math.hypot(*(float(v.norm()) for v in tangents.values()))
    entries = sum(v.numel() for v in tangents.values())
    length = STEP * entries**0.5 / (size or 1.0)

    def logits_at(step: float) -> Tensor:
        moved = {name: converted(p, torch.float64) for name, p in network.named()}
        for name, v in tangents.items():
            moved[name] = moved[name] + step * converted(v, torch.float64)
        with torch.no_grad():
            return network(x.double(), moved, torch.float64)

    slope: Tensor = (logits_at(length) - logits_at(-length)) / (2 * length)
    return slope.to(x.dtype)
