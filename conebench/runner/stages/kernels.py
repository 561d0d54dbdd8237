"""Kernels along ordinary training of one seed, their Gram matrix, and those of groups."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import safe_open
from torch import Tensor, nn

from conebench.entk import (
    Grouping,
    KernelError,
    KernelPlan,
    MemoryLimitError,
    Outputs,
    Proof,
    as_matrix,
    class_views,
    double_centred,
    empirical_ntk,
    group_of,
    grouped_ntk,
    kernel_statistics,
    plan_grouped_ntk,
    plan_ntk,
    prove,
    self_check,
    unit_gram,
)
from conebench.errors import RunError, UnmetNeedError
from conebench.interrupts import stop_if_terminated
from conebench.networks.scaled_output import ScaledOutput
from conebench.record import (
    AveragedTrajectory,
    GroupTrajectory,
    KernelTrajectory,
    KernelView,
    SelfCheck,
    lower_triangle,
)
from conebench.runner.stages.base import stored_result
from conebench.runner.stages.context import Context
from conebench.runner.stages.resume import stopwatch
from conebench.runner.stages.training import LaterStage, averaged_steps
from conebench.runner.stages.work import Sizes, Work
from conebench.spec import Spec
from conebench.spec.schema import Kernel
from conebench.storage.store import StageKey, read_facts, read_tensors

# Bump when the stage's output changes; stored results of older versions are then ignored.
KERNEL_VERSION = 4
# Random directions of a kernel's self-check, and the relative error that fails a run. Rounding in
# float32 was seen up to 1e-5.
CHECK_DIRECTIONS = 3
LARGEST_CHECK_ERROR = 1e-2
# Views of a `full` kernel, and figures of each kernel at one checkpoint.
VIEWS: tuple[Literal["trace", "sum"], ...] = ("trace", "sum")
FIGURES = ("norm", "trace", "top_eigenvalue_share", "label_alignment")


@dataclass(frozen=True)
class KernelStage(LaterStage[KernelTrajectory]):
    """All kernels of one seed, and their Gram matrix G."""

    result_type = KernelTrajectory
    kind = "kernel"
    name = "kernels"
    # T* follows from G.
    decides_arms = True

    def key(self, context: Context) -> StageKey:
        inputs = {**self.training.key(context).inputs, **context.inputs("kernel")}
        name = f"{self.kind}-seed{self.seed}"
        return StageKey(name, {**inputs, "kernel_version": KERNEL_VERSION})

    def steps(self, spec: Spec) -> tuple[int, int]:
        return 0, spec.total_steps

    def work(self, sizes: Sizes) -> Work:
        steps = sizes.spec.checkpoint_steps
        return Work(kernels=len(steps) + len(averaged_steps(sizes.spec, steps)))

    def compute(self, context: Context) -> KernelTrajectory:
        """Build the kernel at every checkpoint, then G. Kernels already stored are used."""
        stored = stored_result(context, self.training)
        if stored is None:
            raise RunError(f"{self.label}: no result of {self.training.label}")
        trained = stored.value
        key = self.key(context)
        spent = stopwatch(context.store, key)
        facts: list[dict[str, Any]] = []
        # One for all checkpoints, made for the first that is built here.
        proofs: list[Proof] = []
        for step in trained.curve.steps:
            path = context.store.kernel_path(key, step)
            try:
                facts.append(
                    read_facts(path) or self._store_kernel(context, step, path, spent, proofs)
                )
            except KernelError as error:
                # The last kernels of a diverging network may overflow: G ends before them.
                if trained.status == "diverged" and facts:
                    break
                raise RunError(f"seed {self.seed}, kernel at step {step}: {error}") from None
            # Kernels found in files count too: the bar began with all the work of the stage.
            context.advance(Work(kernels=1 + ("averaged" in facts[-1])))
            if len(facts) > 1:
                pair = [
                    context.store.kernel_path(key, s)
                    for s in trained.curve.steps[: len(facts)][-2:]
                ]
                context.log(self.seed, self.name, step, S=_distance(context, pair, facts[-2:]))
            stop_if_terminated()
        steps = trained.curve.steps[: len(facts)]
        paths = [context.store.kernel_path(key, step) for step in steps]
        return _trajectory(context, paths, steps, facts)

    def _store_kernel(
        self,
        context: Context,
        step: int,
        path: Path,
        spent: Callable[[], float],
        proofs: list[Proof],
    ) -> dict[str, Any]:
        kernel = context.spec.kernel
        network, x = kernel_inputs(context, self.training.network_at(context, step))
        if not proofs:
            proofs.append(prove(network, x))
        whole, groups = _build(network, x, kernel, context.kernel_memory, proofs[0])
        H = kernel_matrix(whole)
        kernels: dict[str, Tensor] = {"H": H}
        if kernel.outputs == "full":
            kernels.update(class_views(whole))
        facts: dict[str, Any] = {
            name: _kernel_facts(K, context.probe.labels, len(context.data.classes))
            for name, K in kernels.items()
        }
        if step in (0, context.spec.total_steps):
            facts["self_check"] = _self_check(network, x, H, kernel.outputs or "full")
        tensors = {name: K.cpu() for name, K in kernels.items()}
        # Rows are centered later, a few at a time, which needs the means of all columns.
        tensors |= {_mean_of(name): K.double().mean(0).cpu() for name, K in kernels.items()}
        if kernel.by is not None:
            facts["groups"] = _group_facts(groups, group_sizes(network))
            tensors |= {_tensor_of(group): K.cpu() for group, K in groups.items()}
        if averaged_steps(context.spec, [step]):
            tensors["averaged"] = self._averaged(context, step).cpu()
            facts["averaged"] = {"norm": float(tensors["averaged"].double().norm())}
        facts["seconds"] = spent()
        context.store.write_tensors(path, tensors, facts)
        return facts

    def _averaged(self, context: Context, step: int) -> Tensor:
        """Build the primary view at the average of the weights that ends at a step."""
        averaged = self.training.network_at(context, step, "averaged")
        network, x = kernel_inputs(context, averaged)
        outputs: Outputs = "sum" if context.spec.kernel.outputs == "sum" else "trace"
        return kernel_matrix(
            empirical_ntk(network, x, outputs=outputs, memory_limit=context.kernel_memory)
        )


def grouping(network: nn.Module) -> Grouping:
    """Return the function from a parameter's name to its group."""
    # The groups of the network itself, also inside a scaled output.
    prefix = "network." if isinstance(network, ScaledOutput) else ""
    return lambda parameter: group_of(parameter.removeprefix(prefix))


def group_sizes(network: nn.Module) -> dict[str, int]:
    """Count the trainable parameters of each group, in the network's order."""
    sizes: dict[str, int] = {}
    by = grouping(network)
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            sizes[by(name)] = sizes.get(by(name), 0) + parameter.numel()
    return sizes


def plan_kernel(network: nn.Module, x: Tensor, kernel: Kernel, memory: int) -> KernelPlan:
    """Plan the kernel of one checkpoint, and those of its groups.

    Raises an UnmetNeedError if it does not fit into `memory` bytes.
    """
    outputs = kernel.outputs or "full"
    if kernel.dtype == "float64":
        network, x = copy.deepcopy(network).double(), x.double()
    try:
        if kernel.by is None:
            return plan_ntk(network, x, outputs=outputs, memory_limit=memory)
        by = grouping(network)
        return plan_grouped_ntk(network, x, by=by, outputs=outputs, memory_limit=memory)
    except MemoryLimitError as error:
        raise UnmetNeedError(f"kernel {error}; see --kernel-memory") from None


def _build(
    network: nn.Module, x: Tensor, kernel: Kernel, memory: int, proof: Proof
) -> tuple[Tensor, dict[str, Tensor]]:
    """Build what `plan_kernel` planned: the kernel, and the trace kernel of each group."""
    outputs = kernel.outputs or "full"
    if kernel.by is None:
        return empirical_ntk(network, x, outputs=outputs, memory_limit=memory, proof=proof), {}
    by = grouping(network)
    return grouped_ntk(network, x, by=by, outputs=outputs, memory_limit=memory, proof=proof)


def kernel_inputs(context: Context, network: nn.Module) -> tuple[nn.Module, Tensor]:
    """Return a frozen copy of the network and the probe inputs, as the spec asks."""
    kernel = context.spec.kernel
    frozen = context.frozen(network, kernel.batchnorm)
    x = context.data.normalize(context.probe.pixels)
    return (frozen.double(), x.double()) if kernel.dtype == "float64" else (frozen, x)


def kernel_matrix(whole: Tensor) -> Tensor:
    """Return a kernel as a matrix H. Raise a KernelError if it is zero."""
    H = as_matrix(whole)
    if not bool(H.any()):
        raise KernelError("the kernel is zero: no output depends on any parameter")
    return H


def _kernel_facts(H: Tensor, labels: Tensor, classes: int) -> dict[str, float]:
    """Return scale, spectrum and alignment of a kernel, and the norm of the centered one."""
    if not bool(H.any()):
        raise KernelError("the kernel is zero: no output depends on any parameter")
    centred_norm = float(double_centred(H.double()).norm())
    if centred_norm == 0:
        raise KernelError(
            "the centered kernel is zero: all probe images are the same, or the network treats "
            "them alike"
        )
    return {**asdict(kernel_statistics(H, labels, classes)), "centred_norm": centred_norm}


def _group_facts(
    groups: Mapping[str, Tensor], sizes: Mapping[str, int]
) -> dict[str, dict[str, float]]:
    return {
        group: {
            "parameters": sizes[group],
            "norm": float(K.double().norm()),
            "trace": float(K.double().trace()),
        }
        for group, K in groups.items()
    }


def _tensor_of(group: str) -> str:
    """Return the name of a group's kernel in a file."""
    return f"group.{group}"


def _mean_of(kernel: str) -> str:
    """Return the name of the column means of a kernel in a file."""
    return f"{kernel}.column_mean"


def _self_check(network: nn.Module, x: Tensor, H: Tensor, outputs: Outputs) -> float:
    """Compare the kernel with the network's own derivatives. Raise a KernelError if far off."""
    # [n c, n c] back to [n, c, n, c] for a `full` kernel.
    n, side = len(x), len(H)
    kernel = H.view(n, side // n, n, side // n) if outputs == "full" else H
    error = self_check(network, x, kernel, outputs, directions=CHECK_DIRECTIONS)
    # Written so that NaN fails too.
    if not error <= LARGEST_CHECK_ERROR:
        raise KernelError(f"K u and J (J^T u) differ by {error:.1e}: the kernel cannot be trusted")
    return error


def _trajectory(
    context: Context, paths: Sequence[Path], steps: Sequence[int], facts: list[dict[str, Any]]
) -> KernelTrajectory:
    views = [
        KernelView(name=name, **_fields(context, paths, steps, name, facts))
        for name in VIEWS
        if name in facts[0]
    ]
    return KernelTrajectory(
        **_fields(context, paths, steps, "H", facts),
        self_check=SelfCheck(
            steps=[step for step, f in zip(steps, facts, strict=True) if "self_check" in f],
            directions=CHECK_DIRECTIONS,
            relative_error=[f["self_check"] for f in facts if "self_check" in f],
        ),
        groups=_group_trajectories(context, paths, steps, facts),
        views=views or None,
        averaged=_averaged_trajectory(context, paths, steps, facts),
    )


def _fields(
    context: Context,
    paths: Sequence[Path],
    steps: Sequence[int],
    name: str,
    facts: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the fields of one kernel's trajectory: its Gram matrices and its figures."""
    means = [read_tensors(path)[_mean_of(name)] for path in paths]
    rows = _row_reader(context, paths, name)

    def centred_rows(i: int, start: int, stop: int) -> Tensor:
        # P H P, row by row: H is symmetric, so its row means are its column means.
        mean = means[i].to(context.device)  # [side]
        part = rows(i, start, stop).double()  # [stop - start, side]
        return part - mean[start:stop, None] - mean[None, :] + mean.mean()

    found = [f[name] for f in facts]
    count, size = len(steps), len(means[0])
    gram = unit_gram(count, size, rows, [f["norm"] for f in found])
    centred = unit_gram(count, size, centred_rows, [f["centred_norm"] for f in found])
    return {
        "steps": list(steps),
        "gram": lower_triangle(gram.numpy()),
        "gram_centred": lower_triangle(centred.numpy()),
        **{figure: [f[figure] for f in found] for figure in FIGURES},
    }


def _distance(context: Context, pair: Sequence[Path], facts: Sequence[Mapping[str, Any]]) -> float:
    """Return S between two kernels, in the primary view."""
    name = next((view for view in VIEWS if view in facts[0]), "H")
    norms = [f[name]["norm"] for f in facts]
    with safe_open(pair[0], framework="pt") as file:
        size = file.get_slice(name).get_shape()[0]
    gram = unit_gram(2, size, _row_reader(context, pair, name), norms)
    return float(1 - gram[0, 1])


def _averaged_trajectory(
    context: Context,
    paths: Sequence[Path],
    steps: Sequence[int],
    facts: Sequence[Mapping[str, Any]],
) -> AveragedTrajectory | None:
    if not context.spec.kernel.averaged:
        return None
    ends = [i for i, f in enumerate(facts) if "averaged" in f]
    norms = [facts[i]["averaged"]["norm"] for i in ends]
    rows = _row_reader(context, [paths[i] for i in ends], "averaged")
    gram = unit_gram(len(ends), len(context.probe), rows, norms)
    return AveragedTrajectory(
        steps=[steps[i] for i in ends], gram=lower_triangle(gram.numpy()), norm=norms
    )


def _group_trajectories(
    context: Context,
    paths: Sequence[Path],
    steps: Sequence[int],
    facts: Sequence[Mapping[str, Any]],
) -> list[GroupTrajectory] | None:
    if context.spec.kernel.by is None:
        return None
    return [
        _group_trajectory(context, paths, steps, [f["groups"][group] for f in facts], group)
        for group in facts[0]["groups"]
    ]


def _group_trajectory(
    context: Context,
    paths: Sequence[Path],
    steps: Sequence[int],
    found: Sequence[Mapping[str, Any]],
    group: str,
) -> GroupTrajectory:
    # A zero kernel has no angle to any other: the trajectory starts after the last of them.
    start = max((i + 1 for i, f in enumerate(found) if f["norm"] == 0), default=0)
    norms = [f["norm"] for f in found[start:]]
    rows = _row_reader(context, paths[start:], _tensor_of(group))
    return GroupTrajectory(
        name=group,
        parameters=found[0]["parameters"],
        steps=list(steps[start:]),
        gram=lower_triangle(unit_gram(len(norms), len(context.probe), rows, norms).numpy()),
        norm=norms,
        trace=[f["trace"] for f in found[start:]],
    )


def _row_reader(
    context: Context, paths: Sequence[Path], tensor: str
) -> Callable[[int, int, int], Tensor]:
    """Return a function that reads rows start..stop of a tensor in the i-th file."""

    def rows(i: int, start: int, stop: int) -> Tensor:
        with safe_open(paths[i], framework="pt") as file:
            part: Tensor = file.get_slice(tensor)[start:stop]
        return part.to(context.device)

    return rows
