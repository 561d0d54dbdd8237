"""Kernel of a network and of its groups of parameters."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from conebench.entk.contraction import Outputs
from conebench.entk.kernel import add_passes, empirical_ntk, finish, plan_ntk, prepare
from conebench.entk.plan import KernelPlan, Request
from conebench.entk.proof import Proof, kernel_function
from conebench.entk.routes import Term
from conebench.errors import KernelError

Grouping = Callable[[str], str]


def group_of(parameter: str) -> str:
    """Return the stage of the network a parameter belongs to.

    Args:
        parameter: name of the parameter, as `named_parameters` gives it.

    Returns:
        The name up to the first part that ends in a number; without one, its first part.

    Example:
        >>> group_of("layer1.0.conv1.weight"), group_of("blocks.3.attn.qkv.bias")
        ('layer1', 'blocks.3')
        >>> group_of("fc.weight")
        'fc'

    """
    parts = parameter.split(".")
    numbered = (i for i, part in enumerate(parts[:-1]) if re.search(r"\d$", part))
    return ".".join(parts[: next(numbered, 0) + 1])


@kernel_function
def grouped_ntk(
    model: nn.Module,
    x: Float[Tensor, "n ..."],
    *,
    by: Grouping,
    outputs: Outputs = "full",
    memory_limit: int | None = None,
    proof: Proof | None = None,
) -> tuple[Tensor, dict[str, Float[Tensor, "n n"]]]:
    """Compute the empirical NTK and each group's trace kernel.

    Both come from the same backward passes; with `sum`, from those of two kernels.

    Args:
        model: network in evaluation mode, inputs [n, ...] to logits [n, c].
        x: inputs, n of them.
        by: gives the group of a parameter, from its name.
        outputs: reduction of the whole kernel, as for `empirical_ntk`.
        memory_limit: bytes, as for `empirical_ntk`.
        proof: what `prove` gave, as for `empirical_ntk`.

    Returns:
        The kernel, as `empirical_ntk` gives it, and sum_c H[(i, c), (j, c)] / C [n, n] over the
        parameters of each group, whatever `outputs`. Groups are in the network's order and add up
        to its trace kernel.

    Raises:
        KernelError: as `empirical_ntk`, and its subclass MemoryLimitError.

    Example:
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> H, groups = grouped_ntk(nn.Linear(2, 3).eval(), x, by=lambda name: name)
        >>> groups["weight"]
        tensor([[ 5., 11.],
                [11., 25.]])
        >>> groups["bias"]
        tensor([[1., 1.],
                [1., 1.]])

    """
    if outputs == "sum":
        # One direction in logit space cannot tell the classes apart.
        whole = empirical_ntk(model, x, outputs=outputs, memory_limit=memory_limit, proof=proof)
        return whole, _build(*_prepare(model, x, "trace", memory_limit, by, proof), by)[1]
    return _build(*_prepare(model, x, outputs, memory_limit, by, proof), by)


@kernel_function
def plan_grouped_ntk(
    model: nn.Module,
    x: Float[Tensor, "n ..."],
    *,
    by: Grouping,
    outputs: Outputs = "full",
    memory_limit: int | None = None,
    proof: Proof | None = None,
) -> KernelPlan:
    """Plan the kernels that `grouped_ntk` would build.

    Arguments and errors are those of `grouped_ntk`.

    Returns:
        All passes; with `sum`, those of both kernels.

    Example:
        >>> linear, x = nn.Linear(2, 3).eval(), torch.ones(4, 2)
        >>> plan = plan_grouped_ntk(linear, x, by=lambda name: name, outputs="sum")
        >>> [planned.directions for planned in plan.passes]
        [1, 3]

    """
    if outputs != "sum":
        return _prepare(model, x, outputs, memory_limit, by, proof)[1]
    first = plan_ntk(model, x, outputs=outputs, memory_limit=memory_limit, proof=proof)
    second = _prepare(model, x, "trace", memory_limit, by, proof)[1]
    return replace(
        second,
        passes=first.passes + second.passes,
        multiply_adds=first.multiply_adds + second.multiply_adds,
        peak_bytes=max(first.peak_bytes, second.peak_bytes),
    )


def _prepare(
    model: nn.Module,
    x: Tensor,
    outputs: Outputs,
    memory_limit: int | None,
    by: Grouping,
    proof: Proof | None,
) -> tuple[Request, KernelPlan]:
    def held_numbers(request: Request) -> int:
        # The whole kernel, that of the open group, and the trace kernels. A finished `sum` kernel
        # may wait next to them.
        groups = len(set(_groups(by, request).values()))
        return 2 * request.kernel_numbers + (groups + 1) * len(request.x) ** 2

    return prepare(
        model,
        x,
        None,
        outputs=outputs,
        memory_limit=memory_limit,
        held_numbers=held_numbers,
        proof=proof,
    )


def _groups(by: Grouping, request: Request) -> dict[str, str]:
    """Return the group of each parameter."""
    groups = {name: by(name) for name in request.network.trainable}
    for name, group in groups.items():
        if not isinstance(group, str):
            raise KernelError(f"by: got {group!r} for {name}, expected the name of a group")
    return groups


def _build(request: Request, plan: KernelPlan, by: Grouping) -> tuple[Tensor, dict[str, Tensor]]:
    sums = _Sums(request, _groups(by, request))
    add_passes(request, plan, sums.kernel_of)
    sums.close()
    of_group = replace(request, outputs="trace")
    traces = {group: finish(K, of_group) for group, K in sums.traces.items()}
    return finish(sums.whole, request), traces


class _Sums:
    """Sums of the whole kernel and the groups' trace kernels.

    Parameters come in the network's order, so one kernel is enough for the group that is being
    summed, the open one. A `full` kernel per group would take as much memory as the whole, and a
    second kernel as many backward passes again (docs/performance.md).
    """

    def __init__(self, request: Request, groups: Mapping[str, str]) -> None:
        n = len(request.x)
        self.whole, self._open = request.empty_kernel(), request.empty_kernel()
        self.traces = {group: request.x.new_zeros(n, n) for group in groups.values()}
        self._groups = groups
        self._group: str | None = None

    def kernel_of(self, term: Term) -> Tensor:
        """Return the open kernel, of this parameter's group."""
        if self._groups[term.parameter] != self._group:
            self._add_open()
            self._group = self._groups[term.parameter]
        return self._open

    def close(self) -> None:
        """Add the last group, and free its kernel."""
        self._add_open()
        self._open = self._open.new_empty(0)

    def _add_open(self) -> None:
        if self._group is None:
            return
        # [c, n, c, n] -> [n, n]
        of_group = torch.einsum("cicj->ij", self._open) if self._open.ndim == 4 else self._open
        self.traces[self._group] += of_group
        self.whole += self._open
        self._open.zero_()
