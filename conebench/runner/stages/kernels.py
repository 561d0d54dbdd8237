"""Kernels along one seed's ordinary training, their Gram matrix, and those of its groups."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor, nn

from conebench.entk import (
    Grouping,
    KernelError,
    KernelPlan,
    Outputs,
    as_matrix,
    double_centred,
    empirical_ntk,
    group_of,
    grouped_ntk,
    kernel_statistics,
    plan_grouped_ntk,
    plan_ntk,
    self_check,
    unit_gram,
)
from conebench.errors import RunError
from conebench.networks.scaled_output import ScaledOutput
from conebench.record import GroupTrajectory, KernelTrajectory, SelfCheck
from conebench.runner.stages.context import Context
from conebench.runner.stages.resume import stopwatch
from conebench.runner.stages.training import Trained, train_stage
from conebench.spec.schema import Kernel
from conebench.storage.store import Stage, read_facts, read_tensors

# Raised whenever the code of the stage changes what it computes: older results are then not met.
KERNEL_VERSION = 3
# Random directions of a kernel's self-check, and the relative error that fails a run: float32
# rounding was seen up to 1e-5.
CHECK_DIRECTIONS = 3
LARGEST_CHECK_ERROR = 1e-2


def kernel_stage(context: Context, seed: int) -> Stage:
    """All kernels of one seed and their Gram matrix."""
    inputs = {**train_stage(context, seed).inputs, **context.inputs("kernel")}
    return Stage(f"kernel-seed{seed}", {**inputs, "kernel_version": KERNEL_VERSION})


def kernel_work(context: Context) -> float:
    """Work of one kernel and its groups', in passes of one image through the network."""
    kernel, classes = context.spec.kernel, len(context.data.classes)
    directions = classes if kernel.outputs != "sum" else 1 + (classes if kernel.by else 0)
    return 3.0 * kernel.samples * directions


def grouping(network: nn.Module) -> Grouping:
    """The stage of each parameter by the network's own names, whatever is around it."""
    prefix = "network." if isinstance(network, ScaledOutput) else ""
    return lambda parameter: group_of(parameter.removeprefix(prefix))


def group_sizes(network: nn.Module) -> dict[str, int]:
    """How many parameters each group trains, in the network's order."""
    sizes: dict[str, int] = {}
    by = grouping(network)
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            sizes[by(name)] = sizes.get(by(name), 0) + parameter.numel()
    return sizes


def plan_kernel(network: nn.Module, x: Tensor, kernel: Kernel, memory: int) -> KernelPlan:
    """How one checkpoint's kernel, with its groups' if the spec asks for them, will be built."""
    outputs = kernel.outputs or "full"
    if kernel.by is None:
        return plan_ntk(network, x, outputs=outputs, memory_limit=memory)
    by = grouping(network)
    return plan_grouped_ntk(network, x, by=by, outputs=outputs, memory_limit=memory)


def _build(
    network: nn.Module, x: Tensor, kernel: Kernel, memory: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """What `plan_kernel` planned: the kernel, and the trace kernel of each group."""
    outputs = kernel.outputs or "full"
    if kernel.by is None:
        return empirical_ntk(network, x, outputs=outputs, memory_limit=memory), {}
    by = grouping(network)
    return grouped_ntk(network, x, by=by, outputs=outputs, memory_limit=memory)


def run_kernels(context: Context, seed: int, trained: Trained) -> KernelTrajectory:
    """The kernel at every checkpoint of one seed, then G; kernels stored earlier are used."""
    stage = kernel_stage(context, seed)
    spent = stopwatch(context.store, stage)
    facts: list[dict[str, Any]] = []
    for step in trained.curve.steps:
        path = context.store.kernel_path(stage, step)
        try:
            facts.append(read_facts(path) or _store_kernel(context, stage, seed, step, spent))
        except KernelError as error:
            # A diverging network's last kernels may overflow: its trajectory ends before them.
            if trained.status == "diverged" and facts:
                break
            raise RunError(f"seed {seed}, kernel at step {step}: {error}") from None
        context.progress.advance(kernel_work(context))
    return _trajectory(context, stage, trained.curve.steps[: len(facts)], facts)


def kernel_inputs(context: Context, network: nn.Module) -> tuple[nn.Module, Tensor]:
    """A frozen copy of the network and the probe inputs, as the kernel section says."""
    kernel = context.spec.kernel
    frozen = context.frozen(network, kernel.batchnorm)
    x = context.data.normalize(context.probe.pixels)
    return (frozen.double(), x.double()) if kernel.dtype == "float64" else (frozen, x)


def kernel_matrix(whole: Tensor) -> Tensor:
    """A kernel as a matrix H; a KernelError where it is zero."""
    H = as_matrix(whole)
    if not bool(H.any()):
        raise KernelError("the kernel is zero: no output depends on any parameter")
    return H


def _store_kernel(
    context: Context, stage: Stage, seed: int, step: int, spent: Callable[[], float]
) -> dict[str, Any]:
    kernel, data = context.spec.kernel, context.data
    network, x = kernel_inputs(context, context.network_at(train_stage(context, seed), seed, step))
    whole, groups = _build(network, x, kernel, context.kernel_memory)
    H = kernel_matrix(whole)
    centred_norm = float(double_centred(H.double()).norm())
    if centred_norm == 0:
        raise KernelError("the centred kernel is zero: are all probe images the same?")
    statistics = kernel_statistics(H, context.probe.labels, len(data.classes))
    mean = H.double().mean(0)
    facts: dict[str, Any] = {
        "norm": statistics.norm,
        "trace": statistics.trace,
        "top_eigenvalue_share": statistics.top_eigenvalue_share,
        "label_alignment": statistics.label_alignment,
        "centred_norm": centred_norm,
    }
    if step in (0, context.spec.total_steps):
        facts["self_check"] = _self_check(network, x, H, kernel.outputs or "full")
    tensors = {"H": H.cpu(), "column_mean": mean.cpu()}
    if kernel.by is not None:
        facts["groups"] = _group_facts(groups, group_sizes(network))
        tensors |= {_tensor_of(group): K.cpu() for group, K in groups.items()}
    facts["seconds"] = spent()
    context.store.write_tensors(context.store.kernel_path(stage, step), tensors, facts)
    return facts


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
    """Name of a group's kernel in a checkpoint's file."""
    return f"group.{group}"


def _self_check(network: nn.Module, x: Tensor, H: Tensor, outputs: Outputs) -> float:
    """Error of the kernel against the network's own derivatives; a large one fails the run."""
    n, side = len(x), len(H)
    kernel = H.view(n, side // n, n, side // n) if outputs == "full" else H
    error = self_check(network, x, kernel, outputs, directions=CHECK_DIRECTIONS)
    if not error <= LARGEST_CHECK_ERROR:
        raise KernelError(
            f"K u and J (J^T u) differ by {error:.1e}: the kernel is not to be trusted"
        )
    return error


def _trajectory(
    context: Context, stage: Stage, steps: Sequence[int], facts: list[dict[str, Any]]
) -> KernelTrajectory:
    paths = [context.store.kernel_path(stage, step) for step in steps]
    means = [read_tensors(path)["column_mean"] for path in paths]
    rows = _row_reader(context, paths, "H")

    def centred_rows(i: int, start: int, stop: int) -> Tensor:
        # P H P, row by row: H is symmetric, so its row means are its column means.
        mean = means[i].to(context.device)
        part = rows(i, start, stop).double()
        return part - mean[start:stop, None] - mean[None, :] + mean.mean()

    count, size = len(steps), len(means[0])
    gram = unit_gram(count, size, rows, [f["norm"] for f in facts])
    centred = unit_gram(count, size, centred_rows, [f["centred_norm"] for f in facts])
    return KernelTrajectory(
        steps=list(steps),
        gram=_lower_triangle(gram),
        gram_centred=_lower_triangle(centred),
        norm=[f["norm"] for f in facts],
        trace=[f["trace"] for f in facts],
        top_eigenvalue_share=[f["top_eigenvalue_share"] for f in facts],
        label_alignment=[f["label_alignment"] for f in facts],
        self_check=SelfCheck(
            steps=[step for step, f in zip(steps, facts, strict=True) if "self_check" in f],
            directions=CHECK_DIRECTIONS,
            relative_error=[f["self_check"] for f in facts if "self_check" in f],
        ),
        groups=_group_trajectories(context, paths, steps, facts),
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
    # A kernel of zero has no angle to any other: the trajectory is what follows the last of them.
    start = max((i + 1 for i, f in enumerate(found) if f["norm"] == 0), default=0)
    norms = [f["norm"] for f in found[start:]]
    rows = _row_reader(context, paths[start:], _tensor_of(group))
    return GroupTrajectory(
        name=group,
        parameters=found[0]["parameters"],
        steps=list(steps[start:]),
        gram=_lower_triangle(unit_gram(len(norms), len(context.probe), rows, norms)),
        norm=norms,
        trace=[f["trace"] for f in found[start:]],
    )


def _row_reader(
    context: Context, paths: Sequence[Path], tensor: str
) -> Callable[[int, int, int], Tensor]:
    """Rows start..stop of a tensor in the i-th file."""

    def rows(i: int, start: int, stop: int) -> Tensor:
        with safe_open(paths[i], framework="pt") as file:
            part: Tensor = file.get_slice(tensor)[start:stop]
        return part.to(context.device)

    return rows


def _lower_triangle(G: Tensor) -> list[list[float]]:
    return [row[: i + 1] for i, row in enumerate(G.tolist())]
