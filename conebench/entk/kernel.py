"""Exact empirical NTKs within a memory limit."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from conebench.entk.contraction import Outputs
from conebench.entk.jacobians import real_entries
from conebench.entk.memory import default_memory_limit
from conebench.entk.passes import add_pass
from conebench.entk.plan import KernelPlan, Request, make_plan
from conebench.entk.proof import (
    Proof,
    check_call,
    kernel_function,
    plain,
    proved_routes,
    uses_more,
)
from conebench.entk.routes import Term
from conebench.errors import KernelError
from conebench.networks.freed_memory import return_freed_memory
from conebench.networks.functional import FrozenNetwork
from conebench.networks.kept import forget_kept


@kernel_function
def empirical_ntk(
    model: nn.Module,
    x1: Float[Tensor, "n ..."],
    x2: Float[Tensor, "m ..."] | None = None,
    *,
    outputs: Outputs = "full",
    memory_limit: int | None = None,
    proof: Proof | None = None,
) -> Tensor:
    """Compute the empirical NTK over all trainable parameters.

    H = J(x1) J(x2)^T, with J the Jacobian of the logits in the parameters.

    Args:
        model: network in evaluation mode, inputs [n, ...] to logits [n, c].
        x1: first inputs, n of them.
        x2: second inputs, m of them, shaped like those of x1; None means x1.
        outputs: reduction over the c classes, see Returns.
        memory_limit: bytes for all that the kernel takes, the network's own parameters apart;
            None means a quarter of what is free.
        proof: what `prove` gave for a network of the same structure; None to prove it here.

    Returns:
        `full`: H [n, c, m, c].
        `trace`: sum_c H[(i, c), (j, c)] / C, [n, m].
        `sum`: the kernel of sum_c f_c / sqrt(C), [n, m] (pseudo-NTK; Mohamadi et al. 2023).

    Raises:
        KernelError: training mode, no trainable parameter, no inputs, inputs of two shapes or types
            or of integers, NaN or infinity, unknown outputs; a network that gives no logits [n, c],
            draws random numbers, mixes samples, or whose gradients are not its derivatives.
        MemoryLimitError: the memory limit is too small.

    Example:
        For f(x) = W x + b the kernel is (x . x' + 1) for equal classes, 0 for others.

        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> linear = nn.Linear(2, 3).eval()
        >>> empirical_ntk(linear, x, outputs="trace")
        tensor([[ 6., 12.],
                [12., 26.]])
        >>> empirical_ntk(linear, x).shape
        torch.Size([2, 3, 2, 3])

    Source: Novak et al. 2022, arXiv 2206.08720, structured derivatives and Jacobian contraction.

    """
    request, plan = prepare(model, x1, x2, outputs=outputs, memory_limit=memory_limit, proof=proof)
    K = request.empty_kernel()
    add_passes(request, plan, lambda _: K)
    return finish(K, request)


@kernel_function
def plan_ntk(
    model: nn.Module,
    x1: Float[Tensor, "n ..."],
    x2: Float[Tensor, "m ..."] | None = None,
    *,
    outputs: Outputs = "full",
    memory_limit: int | None = None,
    proof: Proof | None = None,
) -> KernelPlan:
    """Plan the kernel that `empirical_ntk` would build.

    Arguments and errors are those of `empirical_ntk`.

    Returns:
        Passes through the network, samples at a time, peak memory, multiply-adds.

    Example:
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> plan = plan_ntk(nn.Linear(2, 3).eval(), x, memory_limit=1_000_000)
        >>> len(plan.passes), plan.passes[0].chunk, plan.peak_bytes < 1_000_000
        (1, 2, True)

    """
    return prepare(model, x1, x2, outputs=outputs, memory_limit=memory_limit, proof=proof)[1]


def _held_numbers(request: Request) -> int:
    # The kernel, and the copy with which it is finished.
    return 2 * request.kernel_numbers


def prepare(
    model: nn.Module,
    x1: Tensor,
    x2: Tensor | None,
    *,
    outputs: Outputs,
    memory_limit: int | None,
    held_numbers: Callable[[Request], int] = _held_numbers,
    proof: Proof | None = None,
) -> tuple[Request, KernelPlan]:
    """Check a call, find its routes, and plan.

    `held_numbers` gives how many numbers all kernels take at one time.
    """
    network = FrozenNetwork(model, is_anchored=False)
    check_call(network, x1, x2)
    return_freed_memory()
    x1, x2 = plain(x1), None if x2 is None else plain(x2)
    forget_kept(network, x1)
    if proof is not None and proof.serves(network, x1):
        routes = proof.routes
    else:
        routes, _ = proved_routes(network, x1)
        # Differences in float64 take twice the parameters.
        return_freed_memory()
    x = x1 if x2 is None else torch.cat([x1, x2])
    if uses_more(network, routes, x):
        routes, _ = proved_routes(network, x, is_routed=True)
    request = Request(
        network=network,
        parameters={t.parameter: network.own[t.parameter].detach() for t in routes.terms},
        x=x,
        n=len(x1),
        symmetric=x2 is None,
        basis=_basis(routes.classes, outputs, x1),
        outputs=outputs,
        mapped=routes.mapped,
    )
    limit = default_memory_limit(x1.device) if memory_limit is None else memory_limit
    return request, make_plan(request, routes, held_numbers(request), limit)


def _basis(classes: int, outputs: Outputs, like: Tensor) -> Float[Tensor, "r c"]:
    if outputs == "sum":
        return like.new_full((1, classes), classes**-0.5)
    return torch.eye(classes, dtype=like.dtype, device=like.device)


def add_passes(request: Request, plan: KernelPlan, kernel_of: Callable[[Term], Tensor]) -> None:
    """Add every parameter's kernel to the tensor `kernel_of` gives."""
    if not plan.passes:
        raise KernelError("no output of the network depends on a trainable parameter")
    counted = sum(
        add_pass(request, planned, kernel_of, plan.slab_numbers) for planned in plan.passes
    )
    expected = sum(real_entries(p) for p in request.parameters.values())
    if counted != expected:
        raise KernelError(f"the kernel counted {counted} of {expected} trainable parameters")


def as_matrix(kernel: Tensor) -> Float[Tensor, "rows columns"]:
    """Return a kernel as a matrix.

    Args:
        kernel: [n, c, m, c] or [n, m].

    Returns:
        [n c, m c], or the kernel itself if it has two axes.

    Example:
        >>> as_matrix(torch.zeros(2, 3, 4, 3)).shape
        torch.Size([6, 12])

    """
    return kernel.flatten(0, 1).flatten(1) if kernel.ndim == 4 else kernel


def class_views(kernel: Float[Tensor, "n c m c"]) -> dict[str, Tensor]:
    """Return the `trace` and the `sum` kernel of a `full` one.

    trace: sum_c H[(i, c), (j, c)] / C;  sum: sum_{c, d} H[(i, c), (j, d)] / C.

    Args:
        kernel: H, as `empirical_ntk` returns it with outputs="full".

    Returns:
        Two kernels [n, m], in the kernel's dtype, with sums in float64.

    Example:
        >>> views = class_views(torch.ones(1, 2, 1, 2))
        >>> views["trace"], views["sum"]
        (tensor([[1.]]), tensor([[2.]]))

    """
    classes = kernel.shape[1]
    trace = kernel.diagonal(dim1=1, dim2=3).sum(-1, dtype=torch.float64)  # [n, m]
    total = kernel.sum((1, 3), dtype=torch.float64)  # [n, m]
    return {"trace": (trace / classes).to(kernel), "sum": (total / classes).to(kernel)}


def finish(K: Tensor, request: Request) -> Tensor:
    """Fill both triangles and order rows by (sample, class)."""
    if request.symmetric:
        # The contractions filled the lower triangle of [r n, r n], or of [n, n] for `trace`.
        matrix = K.view(request.kernel_side, request.kernel_side)
        below = matrix.tril(-1)
        matrix.tril_().add_(below.T)
        del below  # three copies at one time would be one more than the plan counts
    if not bool(torch.isfinite(K).all()):
        raise KernelError("the kernel has NaN or infinite entries: its gradients overflow")
    if request.outputs == "full":
        # [c, n, c, m] -> [n, c, m, c]
        return K.permute(1, 0, 3, 2).contiguous()
    # `trace` is a mean over C directions; `sum` has one, which is normalized already.
    return (K / len(request.basis)).view(request.n, request.m)
