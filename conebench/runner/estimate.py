"""What a spec will take before it is run: parameters, operations, memory, disk, time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from conebench.entk import KernelPlan, MemoryLimitError
from conebench.entk.cost_model import FITTED, multiply_adds, nanoseconds
from conebench.entk.plan import pieces_of
from conebench.errors import SpecError, UnmetNeedError
from conebench.linearize import LinearizedModel
from conebench.networks.scaled_output import ScaledOutput
from conebench.networks.timm_models import first_line, make_model
from conebench.runner.stages.copies import networks_compared
from conebench.runner.stages.kernels import group_sizes, plan_kernel
from conebench.runner.stages.training import curve_size
from conebench.spec import Spec
from conebench.spec.arms import Kind, PerturbedCopy, plan_arms, plan_copies
from conebench.training.optimizers import make_optimizer

MATRIX_SIDE = 1024
CALIBRATION_SAMPLES = 8
# Of a record's text: a cosine with all digits of float64, and the comma and space after it.
BYTES_AN_ENTRY = 20
# Work of a training step in forward passes: a tangent pass and its backward pass come on top of
# an ordinary step; a probe needs no backward pass through the network.
PASSES: dict[Kind, int] = {"linear": 5, "control": 3, "probe": 1}


@dataclass(frozen=True)
class Layer:
    """One trainable parameter of the kernel: how its gradients are found and contracted."""

    parameter: str
    route: str
    order: str
    positions: int
    entries: int
    multiply_adds: float
    kept_bytes: int


@dataclass(frozen=True)
class Estimate:
    """What running a spec will take, all its seeds together.

    `seconds` are extrapolated from a few steps on this machine; `flops` counts multiply-adds as
    two. The arm at T* is taken to start a third of the way. `arms` counts each learning rate of a
    grid; f_0 of a scaled output counts as the network itself. Perturbed copies count as ordinary
    training, with two kernels and the tests along the line for each pair.
    """

    parameters: int
    layers: tuple[Layer, ...]
    kernel: KernelPlan
    kernels: int
    arms: int
    copies: int
    flops: dict[str, float]
    seconds: dict[str, float]
    disk_bytes: int
    kernel_disk_bytes: int
    record_bytes: int


def estimate(
    spec: Spec, classes: int, image: tuple[int, int, int], device: torch.device, memory: int
) -> Estimate:
    """Estimate a spec for images of shape (channels, height, width); needs no data.

    Time is that of float32 kernels also where the spec asks for float64.

    Raises a SpecError for a network or optimizer that cannot be made, an UnmetNeedError where
    the kernel does not fit into `memory` bytes.
    """
    network = _network(spec, classes, image[0]).to(device)
    trainable = [p for p in network.parameters() if p.requires_grad]
    make_optimizer(trainable, spec.training.optimizer, 0.0)
    generator = torch.Generator().manual_seed(0)
    n, batch = spec.kernel.samples, spec.training.batch_size
    x = torch.randn(max(n, batch), *image, generator=generator).to(device)
    plan = _kernel_plan(network, x[:n], spec, memory)
    itemsize = 8 if spec.kernel.dtype == "float64" else 4
    steps, checkpoints, seeds = spec.total_steps, len(spec.checkpoint_steps), len(spec.seeds)
    copies = plan_copies(spec, steps)
    trained = steps + sum(copy.ends[-1] - copy.t0 for copy in copies)
    kernels = checkpoints + 2 * sum(len(copy.ends) for copy in copies)
    # T* is taken to be a third of the way.
    arms = [arm for arm in plan_arms(spec, steps, steps // 3) for _ in arm.planned_rates]
    arm_steps = [(arm.kind, steps - arm.start) for arm in arms]
    tests = _tested_images(spec, classes, len(arms)) + _images_on_lines(spec, copies)
    pass_flops = _forward_flops(network, x[:2])
    flops = {
        "training": 3 * pass_flops * batch * trained,
        "kernels": kernels
        * (2 * plan.multiply_adds + sum(1 + p.directions for p in plan.passes) * n * pass_flops),
        "arms": pass_flops * batch * sum(PASSES[kind] * count for kind, count in arm_steps),
        "evaluation": pass_flops * tests,
    }
    ordinary, linear = _step_seconds(network, x[:batch], classes)
    seconds = {
        "training": ordinary * trained,
        "kernels": kernels * _kernel_seconds(network, x[:n], plan),
        "arms": sum(
            (linear if kind == "linear" else ordinary * PASSES[kind] / 3) * count
            for kind, count in arm_steps
        ),
        "evaluation": _evaluation_seconds(network, x[:batch]) / batch * tests,
    }
    state = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    return Estimate(
        parameters=sum(p.numel() for p in trainable),
        layers=tuple(_layers(plan, n, itemsize)),
        kernel=plan,
        kernels=kernels * seeds,
        arms=len(arms) * seeds,
        copies=len(copies) * seeds,
        flops={name: value * seeds for name, value in flops.items()},
        seconds={name: value * seeds for name, value in seconds.items()},
        disk_bytes=state * checkpoints * seeds,
        kernel_disk_bytes=itemsize * _stored_numbers(network, spec, classes) * checkpoints,
        record_bytes=_record_bytes(network, spec),
    )


def _record_bytes(network: nn.Module, spec: Spec) -> int:
    """The record's G, G centred and those of groups; nearly all of it from 50 checkpoints on."""
    t, groups = len(spec.checkpoint_steps), _groups(network, spec)
    return BYTES_AN_ENTRY * len(spec.seeds) * (2 + groups) * t * (t + 1) // 2


def _groups(network: nn.Module, spec: Spec) -> int:
    return len(group_sizes(network)) if spec.kernel.by else 0


def _stored_numbers(network: nn.Module, spec: Spec, classes: int) -> int:
    """Entries of one checkpoint's kernel and its groups' in the run directory."""
    kernel = spec.kernel
    side = kernel.samples * (1 if kernel.outputs in ("trace", "sum") else classes)
    return side**2 + _groups(network, spec) * kernel.samples**2


def _kernel_plan(network: nn.Module, x: Tensor, spec: Spec, memory: int) -> KernelPlan:
    network.eval()
    if spec.kernel.dtype == "float64":
        x = x.double()
        network = network.double()
    try:
        return plan_kernel(network, x, spec.kernel, memory)
    except MemoryLimitError as error:
        raise UnmetNeedError(f"kernel {error}; see --kernel-memory") from None
    except (RuntimeError, NotImplementedError, ValueError, AssertionError) as error:
        raise SpecError(
            f"model.name: {spec.model.name!r} cannot take images of {list(x.shape[1:])}: "
            f"{first_line(error)}"
        ) from None
    finally:
        network.float()


def _network(spec: Spec, classes: int, channels: int) -> nn.Module:
    model = spec.model
    network = make_model(
        model.name, model.kwargs, pretrained=False, classes=classes, channels=channels, seed=0
    )
    if model.output_scale is None:
        return network
    return ScaledOutput(network, model.output_scale)


def _tested_images(spec: Spec, classes: int, arms: int) -> int:
    """Images that one seed's evaluations pass through the network."""
    tested = _test_images(spec)
    on_curve = min(tested, curve_size(spec, classes)) * (len(spec.checkpoint_steps) - 1)
    return on_curve + tested + arms * (tested + (spec.dataset.validation_size or 0))


def _images_on_lines(spec: Spec, copies: Sequence[PerturbedCopy]) -> int:
    """Images that one seed's comparisons pass, with those that recalibrate BatchNorm."""
    each = _test_images(spec) + spec.kernel.calibration_samples
    return sum(len(copy.ends) * networks_compared(copy) * each for copy in copies)


def _test_images(spec: Spec) -> int:
    return spec.dataset.test_size or spec.dataset.facts.test_images or 0


def _forward_flops(network: nn.Module, x: Tensor) -> float:
    """Floating-point operations of one forward pass of one image."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(x)
    return float(counter.get_total_flops()) / len(x)


def _timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, after one to warm up."""
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def _step_seconds(network: nn.Module, x: Tensor, classes: int) -> tuple[float, float]:
    """Seconds of an ordinary and of a linearized training step."""
    labels = torch.arange(len(x), device=x.device) % classes
    linear = LinearizedModel(network)

    def step(model: nn.Module) -> None:
        torch.autograd.backward(F.cross_entropy(model(x), labels))

    try:
        return _timed(lambda: step(network), x.device), _timed(lambda: step(linear), x.device)
    except (RuntimeError, NotImplementedError) as error:
        raise SpecError(f"model.name: cannot be linearized: {first_line(error)}") from None


def _evaluation_seconds(network: nn.Module, x: Tensor) -> float:
    with torch.no_grad():
        return _timed(lambda: network(x), x.device)


def _kernel_seconds(network: nn.Module, x: Tensor, plan: KernelPlan) -> float:
    """Seconds of one kernel: backward passes as measured, contractions by the cost model."""
    few = x[:CALIBRATION_SAMPLES].detach().requires_grad_()

    def gradients() -> None:
        torch.autograd.grad(network(few).sum(), few)

    n, directions = len(x), sum(planned.directions for planned in plan.passes)
    passes = _timed(gradients, x.device) * directions * n / len(few)
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
    """Each parameter with what all its pieces take, in every pass."""
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
