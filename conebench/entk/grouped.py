"""A network's kernel, and with it the trace kernel of each group of its parameters."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from conebench.entk.contraction import Outputs
from conebench.entk.kernel import (
    Grouping,
    Prepared,
    add_passes,
    empirical_ntk,
    finish,
    plan_ntk,
    prepare,
)
from conebench.entk.passes import Samples
from conebench.entk.plan import KernelPlan
from conebench.entk.routes import Term


def grouped_ntk(
    model: nn.Module,
    x: Float[Tensor, "n ..."],
    *,
    by: Grouping,
    outputs: Outputs = "full",
    memory_limit: int | None = None,
) -> tuple[Tensor, dict[str, Float[Tensor, "n n"]]]:
    """The empirical NTK of x, and the trace kernel of each group of parameters alone.

    The trace kernels are sum_c H[(i,c),(j,c)] / C over the group's parameters, whatever `outputs`
    of the whole kernel; groups are in the network's order and add up to its trace kernel. All
    comes from the same backward passes, for `sum` from those of a second kernel.

    Args:
        model: in evaluation mode; logits [n, c] for inputs [n, ...].
        x: inputs, n of them.
        by: the group of a parameter, from its name.
        outputs: reduction of the whole kernel, and its shape, as `empirical_ntk` has it.
        memory_limit: bytes, as `empirical_ntk` has it.

    Raises:
        KernelError: as `empirical_ntk` does.

    """
    if outputs == "sum":
        # One direction in logit space cannot tell the classes apart.
        whole = empirical_ntk(model, x, outputs=outputs, memory_limit=memory_limit)
        return whole, _built(_prepared(model, x, "trace", memory_limit, by))[1]
    return _built(_prepared(model, x, outputs, memory_limit, by))


def plan_grouped_ntk(
    model: nn.Module,
    x: Float[Tensor, "n ..."],
    *,
    by: Grouping,
    outputs: Outputs = "full",
    memory_limit: int | None = None,
) -> KernelPlan:
    """How `grouped_ntk` would build its kernels: the same arguments and errors, little work."""
    if outputs != "sum":
        return _prepared(model, x, outputs, memory_limit, by).plan
    first = plan_ntk(model, x, outputs=outputs, memory_limit=memory_limit)
    second = _prepared(model, x, "trace", memory_limit, by).plan
    return replace(
        second,
        passes=first.passes + second.passes,
        multiply_adds=first.multiply_adds + second.multiply_adds,
        peak_bytes=max(first.peak_bytes, second.peak_bytes),
    )


def _prepared(
    model: nn.Module, x: Tensor, outputs: Outputs, memory_limit: int | None, by: Grouping
) -> Prepared:
    return prepare(
        model,
        x,
        None,
        outputs=outputs,
        memory_limit=memory_limit,
        by=by,
        held_numbers=_held_numbers,
    )


def _held_numbers(samples: Samples, groups: int) -> int:
    """The whole kernel, that of the open group, all trace kernels; a `sum` kernel may wait."""
    return 2 * samples.kernel_numbers + (groups + 1) * len(samples.rows) ** 2


def _built(prepared: Prepared) -> tuple[Tensor, dict[str, Tensor]]:
    sums = _Sums(prepared.samples, prepared.groups)
    add_passes(prepared, sums.kernel_of)
    sums.close()
    of_group = replace(prepared.samples, outputs="trace")
    traces = {group: finish(K, of_group) for group, K in sums.traces.items()}
    return finish(sums.whole, prepared.samples), traces


class _Sums:
    """The whole kernel and the groups' trace kernels, added up from one group after another.

    A `full` kernel a group would take as much memory as the whole, and a second kernel as many
    backward passes again (docs/performance.md). Parameters come in the network's order, so one
    kernel is enough for the group that is being added up, the open one.
    """

    def __init__(self, samples: Samples, groups: Mapping[str, str]) -> None:
        n = len(samples.rows)
        self.whole, self._open = samples.empty_kernel(), samples.empty_kernel()
        self.traces = {group: samples.rows.new_zeros(n, n) for group in groups.values()}
        self._groups = groups
        self._group: str | None = None

    def kernel_of(self, term: Term) -> Tensor:
        """The open kernel, of this parameter's group."""
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
        of_group = torch.einsum("cicj->ij", self._open) if self._open.ndim == 4 else self._open
        self.traces[self._group] += of_group
        self.whole += self._open
        self._open.zero_()
