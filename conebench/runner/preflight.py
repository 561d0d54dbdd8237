"""Checks that need the data or the network, made before any training."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from conebench.data.datasets import Data
from conebench.entk import KernelError, KernelPlan, empirical_ntk
from conebench.errors import SpecError
from conebench.linearize import LinearizedModel
from conebench.networks.copies import copied
from conebench.networks.imported import package_of
from conebench.networks.modes import plain_mode
from conebench.networks.timm_models import classifier_parameters, entry_point
from conebench.runner.stages.context import Context
from conebench.runner.stages.kernels import plan_kernel
from conebench.spec import Spec
from conebench.spec.checks import Problem, calibration_problems, one_per_class
from conebench.spec.optimizers import OtherOptimizer
from conebench.text import first_line
from conebench.training.optimizers import make_optimizer, state_tensors, step_depends_on_parameters

# Relative difference of network and linearization at w = 0. Rounding was seen up to 1e-5.
LARGEST_DIFFERENCE = 1e-2


@dataclass(frozen=True)
class CheckedNetwork:
    """A network that passed the checks: its trainable parameters, and its kernels' plan."""

    parameters: int
    kernel_plan: KernelPlan


def check_context(context: Context) -> CheckedNetwork:
    """Check that data, network and spec fit together.

    Raises a SpecError if they do not, an UnmetNeedError if a kernel does not fit into memory.
    """
    _check_package(context)
    network = context.initial_network(context.spec.seeds[0])
    check_counts(context.spec, context.data, network)
    _check_forward(context, network)
    network.eval()
    plan = _check_kernel(context, network)
    _check_linearization(context, network)
    _check_classifier(context, network)
    _check_optimizer(context, network)
    if context.spec.linearization.point == "pretrained":
        context.initial_network(context.spec.seeds[0], pretrained=True)
    parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return CheckedNetwork(parameters, plan)


def check_counts(spec: Spec, data: Data, network: nn.Module) -> None:
    """Check that the data have as many images as the spec asks for. Raise a SpecError if not."""
    found = [
        SpecError(problem.message, field=".".join(map(str, problem.field)))
        for problem in _count_problems(spec, data, network)
    ]
    if found:
        raise SpecError("\n".join(map(str, found)), parts=tuple(found))


def _count_problems(spec: Spec, data: Data, network: nn.Module) -> Iterator[Problem]:
    images, classes = len(data.train), len(data.classes)
    for field, count in (
        (("training", "batch_size"), spec.training.batch_size),
        (("kernel", "samples"), spec.kernel.samples),
    ):
        if count > images:
            yield Problem(field, f"got {count}, expected at most the {images} images")
    if any(isinstance(module, _BatchNorm) for module in network.modules()):
        yield from calibration_problems(spec, images)
    yield from one_per_class(("kernel", "samples"), spec.kernel.samples, classes)
    held_out = None if data.validation is None else len(data.validation)
    yield from one_per_class(("dataset", "validation_size"), held_out, classes)


def _check_package(context: Context) -> None:
    """Check that the network is from the package that the spec names."""
    model = context.spec.model
    if model.package is None:
        return
    module = entry_point(model.name).__module__
    found = package_of(module)
    if found != model.package:
        raise SpecError(
            f"got {model.package}, but {model.name!r} is from {module} of "
            f"{found or 'no package of an index'}",
            field="model.package",
        )


def _two_images(context: Context) -> torch.Tensor:
    return context.data.normalize(context.data.train.pixels[:2])


def _check_forward(context: Context, network: nn.Module) -> None:
    x, classes = _two_images(context), len(context.data.classes)
    # BatchNorm may refuse a single image in training mode.
    x = x[: context.spec.training.batch_size]
    sides = f"images of {x.shape[-1]} x {x.shape[-1]}"
    name = context.spec.model.name
    try:
        # BatchNorm statistics are put back, so that the check leaves no trace in the network.
        with torch.no_grad(), torch.random.fork_rng():
            state = {k: v.clone() for k, v in network.state_dict().items()}
            logits = network(x)
            network.load_state_dict(state)
    except Exception as error:  # noqa: BLE001  # any model file may raise anything
        raise SpecError(
            f"{name!r} cannot take {len(x)} {sides}: {first_line(error)}",
            field="dataset.image_size",
        ) from None
    shape = list(getattr(logits, "shape", ()))
    if shape != [len(x), classes]:
        raise SpecError(
            f"{name!r} gives an output of shape {shape} for {len(x)} images, "
            f"expected one logit per class: [{len(x)}, {classes}]",
            field="model.name",
        )


def _check_kernel(context: Context, network: nn.Module) -> KernelPlan:
    kernel, memory = context.spec.kernel, context.kernel_memory
    x = context.data.normalize(context.probe.pixels)
    try:
        # The plan is for all images; the kernel of a single one shows that every layer works.
        plan = plan_kernel(network, x, kernel, memory)
        empirical_ntk(network, _two_images(context)[:1], outputs="sum", memory_limit=memory)
        # Of each checkpoint a copy is used.
        copied(network)
    except (KernelError, RuntimeError, NotImplementedError) as error:
        raise SpecError(
            f"no kernel can be built for {context.spec.model.name!r}: {first_line(error)}",
            field="model.name",
        ) from None
    return plan


def _check_classifier(context: Context, network: nn.Module) -> None:
    try:
        found = classifier_parameters(network)
    except AttributeError:
        found = set()
    if not found:
        raise SpecError(
            f"{context.spec.model.name!r} needs get_classifier() (or a 'classifier' entry in its "
            "timm config) for the linear probe",
            field="model.name",
        )


def _check_optimizer(context: Context, network: nn.Module) -> None:
    """Take one step on a copy."""
    # Some optimizers need second derivatives, or keep state that cannot be stored.
    choice, copied = context.spec.training.optimizer, copy.deepcopy(network)
    trainable = [p for p in copied.parameters() if p.requires_grad]
    optimizer = make_optimizer(trainable, choice, choice.weight_decay)
    try:
        # Compiling an optimizer for one step would take a minute.
        with plain_mode():
            torch.autograd.backward(copied(_two_images(context)).sum())
            optimizer.step()
    except Exception as error:  # noqa: BLE001  # any optimizer may raise anything
        raise SpecError(
            f"{choice.name!r} cannot take a step: {first_line(error)}",
            field="training.optimizer.name",
        ) from None
    state_tensors(optimizer)
    if isinstance(choice, OtherOptimizer) and step_depends_on_parameters(choice):
        raise SpecError(
            f"a step of {choice.name!r} depends on the size of the parameters, so it cannot train "
            "linearized arms",
            field="training.optimizer.name",
        )


def _check_linearization(context: Context, network: nn.Module) -> None:
    x = _two_images(context)
    try:
        logits = LinearizedModel(network)(x)
        torch.autograd.backward(logits.sum())
    except (KernelError, RuntimeError, NotImplementedError) as error:
        raise SpecError(
            f"{context.spec.model.name!r} cannot be linearized: {first_line(error)}",
            field="model.name",
        ) from None
    with torch.no_grad():
        expected = network(x)
        difference = float((logits - expected).norm())
    # Written so that NaN fails too.
    if not difference <= LARGEST_DIFFERENCE * max(1.0, float(expected.norm())):
        raise SpecError(
            f"{context.spec.model.name!r} cannot be linearized: at w = 0 it differs from the "
            "network",
            field="model.name",
        )
