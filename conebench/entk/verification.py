"""Check of a finished kernel against the network."""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from conebench.entk.contraction import Outputs
from conebench.entk.proof import kernel_function, plain
from conebench.networks.functional import FrozenNetwork
from conebench.networks.kept import forget_kept

SAMPLES_AT_ONCE = 32

TensorDict = dict[str, Tensor]


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
    kernel's layer rules nor its contractions are used again.

    Args:
        model: network in evaluation mode, with a forward-mode derivative.
        x: inputs the kernel was built on.
        kernel: result of `empirical_ntk(model, x, outputs=outputs)`.
        outputs: the kernel's reduction.
        directions: number of random directions u.
        seed: seed of the directions.

    Returns:
        The largest ||K u - J (J^T u)|| / ||J (J^T u)|| over the directions.

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
    generator = torch.Generator().manual_seed(seed)
    worst = 0.0
    for _ in range(directions):
        # Drawn on the CPU, so that every device sees the same.
        u = torch.randn(len(x), classes, generator=generator, dtype=torch.float64).to(x)
        expected, found = _both_products(network, parameters, x, kernel, outputs, u)
        worst = max(worst, float((found - expected).norm() / expected.norm()))
    return worst


def _both_products(
    network: FrozenNetwork,
    parameters: TensorDict,
    x: Tensor,
    kernel: Tensor,
    outputs: Outputs,
    u: Float[Tensor, "n c"],
) -> tuple[Tensor, Tensor]:
    """Return J (J^T u) and K u in the kernel's reduction."""
    if outputs == "full":
        return _kernel_product(network, parameters, x, u), torch.tensordot(kernel, u, dims=2)
    # Kernels of [n, n] are multiplied by the first column of u.
    weights, classes = u[:, :1], u.shape[1]
    if outputs == "sum":
        product = _kernel_product(network, parameters, x, weights.expand(-1, classes))  # [n, c]
        return product.sum(1) / classes, kernel @ weights[:, 0]
    total = torch.zeros_like(weights[:, 0])
    for one_hot in torch.eye(classes, dtype=u.dtype, device=u.device):
        total += _kernel_product(network, parameters, x, weights * one_hot) @ one_hot
    return total / classes, kernel @ weights[:, 0]


def _kernel_product(
    network: FrozenNetwork, parameters: TensorDict, x: Tensor, u: Float[Tensor, "n c"]
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
            _jvp(network, parameters, pulled, part)[: rows.stop - rows.start]
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
