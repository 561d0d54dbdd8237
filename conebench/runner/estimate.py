"""Estimate of a spec: parameters, operations, memory, disk, time."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from conebench.entk import KernelError, KernelPlan
from conebench.entk.cost_model import FITTED, multiply_adds, nanoseconds
from conebench.entk.plan import pieces_of
from conebench.errors import SpecError
from conebench.linearize import LinearizedModel
from conebench.runner.stages.arms import STEPS_WORTH_RECORDING, ArmStage
from conebench.runner.stages.base import Stage
from conebench.runner.stages.context import build_network, state_bytes
from conebench.runner.stages.kernels import group_sizes, plan_kernel
from conebench.runner.stages.planned import planned_stages
from conebench.runner.stages.training import averaged_steps
from conebench.runner.stages.work import PASSES, Sizes, Step, Work
from conebench.spec import Spec
from conebench.spec.arms import plan_copies
from conebench.text import first_line
from conebench.training.optimizers import make_optimizer

MATRIX_SIDE = 1024
CALIBRATION_SAMPLES = 8
# In a record's text: a cosine with 10 decimals, and the comma and space after it.
BYTES_PER_ENTRY = 14


@dataclass(frozen=True)
class Layer:
    """One trainable parameter: how its gradients are found and contracted for a kernel."""

    parameter: str
    route: str
    order: str
    positions: int
    entries: int
    multiply_adds: float
    kept_bytes: int


@dataclass(frozen=True)
class Estimate:
    """Estimated cost of a spec, for all its seeds.

    The arm at T* is taken to start a third of the way. f_0 of a scaled output counts as the network
    itself. Perturbed copies count as ordinary training, with two kernels and the tests along the
    line for each pair.
    """

    parameters: int
    layers: tuple[Layer, ...]
    kernel: KernelPlan
    kernels: int
    # Each learning rate of a list counts.
    arms: int
    copies: int
    # By kind of work; a multiply-add counts as two.
    flops: dict[str, float]
    # By kind of work, extrapolated from a few steps on this machine.
    seconds: dict[str, float]
    disk_bytes: int
    kernel_disk_bytes: int
    record_bytes: int


def estimate(
    spec: Spec, classes: int, image: tuple[int, int, int], device: torch.device, memory: int
) -> Estimate:
    """Estimate a spec for images of shape (channels, height, width). Needs no data.

    Time is that of float32 kernels even if the spec asks for float64. Raises a SpecError if the
    network or the optimizer cannot be made, an UnmetNeedError if a kernel does not fit into
    `memory` bytes.
    """
    network = build_network(spec.model, classes=classes, channels=image[0], seed=0).to(device)
    trainable = [p for p in network.parameters() if p.requires_grad]
    # Made only to refuse a name or an option that the optimizer does not have.
    make_optimizer(trainable, spec.training.optimizer, 0.0)
    generator = torch.Generator().manual_seed(0)
    n, batch = spec.kernel.samples, spec.training.batch_size
    x = torch.randn(max(n, batch), *image, generator=generator).to(device)
    plan = _kernel_plan(network, x[:n], spec, memory)
    itemsize = 8 if spec.kernel.dtype == "float64" else 4
    checkpoints, seeds = len(spec.checkpoint_steps), len(spec.seeds)
    averages = len(averaged_steps(spec, spec.checkpoint_steps))
    sizes = Sizes(spec, classes, spec.dataset.test_size or spec.dataset.facts.test_images or 0)
    stages = planned_stages(spec, spec.seeds[0])
    work = [(stage, stage.work(sizes)) for stage in stages]
    pass_flops = _forward_flops(network, x[:2])
    directions = sum(1 + planned.directions for planned in plan.passes)
    flops = _costs(
        work,
        {step: passes * batch * pass_flops for step, passes in PASSES.items()},
        kernel=2 * plan.multiply_adds + directions * n * pass_flops,
        image=pass_flops,
    )
    seconds = _costs(
        work,
        _step_seconds(
            network, x[:batch], classes, replays=spec.total_steps >= STEPS_WORTH_RECORDING
        ),
        kernel=_kernel_seconds(network, x[:n], plan),
        image=_evaluation_seconds(network, x[:batch]) / batch,
    )
    return Estimate(
        parameters=sum(p.numel() for p in trainable),
        layers=tuple(_layers(plan, n, itemsize)),
        kernel=plan,
        kernels=sum(part.kernels for _, part in work) * seeds,
        arms=sum(isinstance(stage, ArmStage) for stage in stages) * seeds,
        copies=len(plan_copies(spec, spec.total_steps)) * seeds,
        flops={name: value * seeds for name, value in flops.items()},
        seconds={name: value * seeds for name, value in seconds.items()},
        disk_bytes=state_bytes(network) * (checkpoints + averages) * seeds,
        kernel_disk_bytes=itemsize * _stored_numbers(network, spec, classes) * checkpoints,
        record_bytes=_record_bytes(network, spec),
    )


def _costs(
    work: Sequence[tuple[Stage[Any], Work]],
    steps: Mapping[Step, float],
    kernel: float,
    image: float,
) -> dict[str, float]:
    """Add up the work of one seed, given what each unit of work costs."""
    costs = {"training": 0.0, "kernels": 0.0, "arms": 0.0, "evaluation": 0.0}
    for stage, part in work:
        costs["arms" if isinstance(stage, ArmStage) else "training"] += (
            steps[part.step] * part.steps
        )
        costs["kernels"] += kernel * part.kernels
        costs["evaluation"] += image * part.tested_images
    return costs


def _record_bytes(network: nn.Module, spec: Spec) -> int:
    """Count the bytes of the Gram matrices, which are nearly all of a long record."""
    t, groups = len(spec.checkpoint_steps), _groups(network, spec)
    views = 3 if spec.kernel.outputs == "full" else 1
    # Two lower triangles per view, plain and centered, and one per group.
    return BYTES_PER_ENTRY * len(spec.seeds) * (2 * views + groups) * t * (t + 1) // 2


def _groups(network: nn.Module, spec: Spec) -> int:
    return len(group_sizes(network)) if spec.kernel.by else 0


def _stored_numbers(network: nn.Module, spec: Spec, classes: int) -> int:
    """Count the entries of one checkpoint's kernel, views and groups in the run folder."""
    kernel = spec.kernel
    side = kernel.samples * (1 if kernel.outputs in ("trace", "sum") else classes)
    smaller = _groups(network, spec) + (2 if kernel.outputs == "full" else 0)
    return side**2 + smaller * kernel.samples**2


def _kernel_plan(network: nn.Module, x: Tensor, spec: Spec, memory: int) -> KernelPlan:
    try:
        return plan_kernel(network.eval(), x, spec.kernel, memory)
    except (RuntimeError, NotImplementedError, ValueError, AssertionError) as error:
        raise SpecError(
            f"{spec.model.name!r} cannot take images of {list(x.shape[1:])}: {first_line(error)}",
            field="model.name",
        ) from None


def _forward_flops(network: nn.Module, x: Tensor) -> float:
    """Count the floating-point operations of one forward pass of one image."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(x)
    return float(counter.get_total_flops()) / len(x)


def _timed(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of one call, after one to warm up."""
    work()
    # A GPU only queues its work: without waiting, the time would be that of queueing.
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def _step_seconds(
    network: nn.Module, x: Tensor, classes: int, *, replays: bool
) -> dict[Step, float]:
    """Time a training step of each kind. A probe's follows from an ordinary one."""
    labels = torch.arange(len(x), device=x.device) % classes
    linearized = LinearizedModel(network)
    linearized.replays = replays

    def step(model: nn.Module) -> None:
        torch.autograd.backward(F.cross_entropy(model(x), labels))

    try:
        ordinary = _timed(lambda: step(network), x.device)
        linear = _timed(lambda: step(linearized), x.device)
    except (KernelError, RuntimeError, NotImplementedError) as error:
        raise SpecError(f"cannot be linearized: {first_line(error)}", field="model.name") from None
    probe = ordinary * PASSES["probe"] / PASSES["ordinary"]
    return {"ordinary": ordinary, "linear": linear, "probe": probe}


def _evaluation_seconds(network: nn.Module, x: Tensor) -> float:
    with torch.no_grad():
        return _timed(lambda: network(x), x.device)


def _kernel_seconds(network: nn.Module, x: Tensor, plan: KernelPlan) -> float:
    """Estimate the seconds of one kernel from timed passes and the cost model."""
    few = x[:CALIBRATION_SAMPLES].detach().requires_grad_()

    def gradients() -> None:
        torch.autograd.grad(network(few).sum(), few)

    n, directions = len(x), sum(planned.directions for planned in plan.passes)
    passes = _timed(gradients, x.device) * directions * n / len(few)
    # The cost model was fitted on another machine. A matrix product timed on this one, in
    # nanoseconds per multiply-add, gives the ratio of the two.
    side = torch.randn(MATRIX_SIDE, MATRIX_SIDE, device=x.device)
    measured = _timed(lambda: side @ side, x.device) * 1e9 / MATRIX_SIDE**3
    modelled = sum(
        nanoseconds(piece.term, piece.order, n, planned.directions, planned.outputs)
        * ((piece.stop - piece.start) / pieces_of(piece.term))
        for planned in plan.passes
        for piece in planned.pieces
    )
    return passes + modelled * 1e-9 * measured / FITTED.multiply_add


def _layers(plan: KernelPlan, n: int, itemsize: int) -> list[Layer]:
    """List the parameters, with the cost of all their pieces in all passes."""
    found: dict[str, Layer] = {}
    for planned in plan.passes:
        for piece in planned.pieces:
            term, earlier = piece.term, found.get(piece.term.parameter)
            share = (piece.stop - piece.start) / pieces_of(term)
            whole = multiply_adds(term, piece.order, n, planned.directions, planned.outputs)
            found[term.parameter] = Layer(
                parameter=term.parameter,
                route=term.route,
                order=piece.order,
                positions=term.positions,
                entries=term.entries,
                multiply_adds=share * whole + (earlier.multiply_adds if earlier else 0.0),
                kept_bytes=itemsize * piece.numbers + (earlier.kept_bytes if earlier else 0),
            )
    return list(found.values())
