"""Stages that leave ordinary training at a step: linear arms, their control, the linear probe."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from conebench.data.datasets import Images
from conebench.linearize import LinearizedModel
from conebench.networks.timm_models import classifier_parameters
from conebench.record import TriedRate, choose_rate
from conebench.runner.stages.activation_memory import images_within
from conebench.runner.stages.context import Context
from conebench.runner.stages.training import parent_recipe, train_stage
from conebench.spec.arms import Arm, Rate
from conebench.storage.store import Stage, read_tensors
from conebench.training.loop import DivergedError, Recipe, evaluate, train

ARM_VERSION = 3
# What one pass of a linearized network may keep for its gradients. A whole batch of a ViT takes 1.7
# times the memory of ordinary training, since what is freed meanwhile stays with the process in
# pieces; in two passes it is as fast. Where a pass is smaller, two cost up to a tenth more time.
PASS_BYTES = 3 * 2**27
IMAGES_JUDGED_BY = 32


def arm_stage(context: Context, seed: int, arm: Arm, rate: Rate) -> Stage:
    """The stage of an arm with one learning rate; arms that do the same work share it."""
    linearization = context.inputs("linearization")["linearization"]
    inputs = {
        **train_stage(context, seed).inputs,
        "linearization": {**linearization, "learning_rate": rate},
        "calibration": [context.spec.kernel.calibration_samples, context.spec.kernel.probe_seed],
        "kind": arm.kind,
        "start": arm.start,
        "anchor": arm.anchor,
        "arm_version": ARM_VERSION,
    }
    return Stage(f"{arm.kind}-seed{seed}-from{arm.start}", inputs)


class ArmEnd(BaseModel):
    """Result of an arm's stage: how it ended, on validation images too where there are any."""

    model_config = ConfigDict(frozen=True)

    status: Literal["finished", "diverged"]
    diverged_at: int | None = None
    test_accuracy: float | None = None
    test_loss: float | None = None
    validation_accuracy: float | None = None
    validation_loss: float | None = None


def run_arm(context: Context, seed: int, arm: Arm, rate: Rate) -> ArmEnd:
    """Train one arm from its start to the end with one learning rate, and test it."""
    network = _network(context, seed, arm)
    recipe = _recipe(context, seed, network, rate)
    end = ArmEnd(status="finished")
    try:
        _train(context, seed, arm, rate, network, recipe)
        # First, and kept whatever the test says: the choice between rates must not depend on that.
        if context.data.validation is not None:
            accuracy, loss = _evaluate(context, network, recipe, context.data.validation)
            end = end.model_copy(update={"validation_accuracy": accuracy, "validation_loss": loss})
        accuracy, loss = _evaluate(context, network, recipe, context.data.test)
    except DivergedError as error:
        return end.model_copy(update={"status": "diverged", "diverged_at": error.step})
    return end.model_copy(update={"test_accuracy": accuracy, "test_loss": loss})


def _evaluate(
    context: Context, network: nn.Module, recipe: Recipe, images: Images
) -> tuple[float, float]:
    accuracy, loss = evaluate(network, context.data, images, recipe.loss)
    if not math.isfinite(loss):
        raise DivergedError(context.spec.total_steps)
    return accuracy, loss


def _train(
    context: Context, seed: int, arm: Arm, rate: Rate, network: nn.Module, recipe: Recipe
) -> None:
    midway = context.midway(arm_stage(context, seed, arm, rate))
    taken = midway.load()
    last = arm.start
    if taken is not None:
        network.load_state_dict(taken.model)
        last = taken.step
        context.progress.advance(arm_work(context, arm, last - arm.start))
    for checkpoint in train(
        network,
        context.data,
        recipe,
        start=last,
        # An arm stores no checkpoints: its pauses only drive the progress display.
        checkpoints=context.spec.checkpoint_steps,
        optimizer_state=taken.optimizer if taken else _carried_state(context, seed, arm),
        losses_before=taken.losses if taken else (),
        wants_pause=midway.is_due,
    ):
        if midway.is_due():
            midway.save(checkpoint)
        context.progress.advance(arm_work(context, arm, checkpoint.step - last))
        last = checkpoint.step


def arm_work(context: Context, arm: Arm, steps: int | None = None) -> float:
    """Work of an arm at one learning rate, or of some of its steps, in passes of one image."""
    steps = context.spec.total_steps - arm.start if steps is None else steps
    passes = {"linear": 6.0, "control": 3.0, "probe": 1.5}[arm.kind]
    return passes * context.spec.training.batch_size * steps


def _network(context: Context, seed: int, arm: Arm) -> nn.Module:
    if arm.anchor == "pretrained":
        anchor = context.initial_network(seed, pretrained=True)
    else:
        anchor = context.network_at(train_stage(context, seed), seed, arm.anchor)
    if arm.kind == "control":
        return anchor
    if arm.kind == "linear":
        return context.linearized(anchor)
    frozen = context.frozen(anchor, context.spec.linearization.batchnorm)
    head = classifier_parameters(frozen)
    for name, parameter in frozen.named_parameters():
        parameter.requires_grad_(name in head)
    return frozen


def _recipe(context: Context, seed: int, network: nn.Module, rate: Rate) -> Recipe:
    """The linearization section's way of training, for any arm that leaves ordinary training."""
    parent, choice = parent_recipe(context, seed), context.spec.linearization
    return replace(
        parent,
        learning_rate=parent.learning_rate if rate == "inherit" else lambda _: rate,
        weight_decay=0.0 if choice.weight_decay == "none" else parent.weight_decay,
        loss=parent.loss if choice.loss == "inherit" else choice.loss,
        augment=choice.augmentation == "inherit",
        images_at_once=_images_at_once(context, network),
        decay_origin=_decay_origin(network, choice.weight_decay) if parent.weight_decay else (),
    )


def _images_at_once(context: Context, network: nn.Module) -> int | None:
    """Of a linearized network alone: in others BatchNorm may take the whole batch.

    On a GPU, whose memory does not go to pieces, passes are as large as they come.
    """
    if not isinstance(network, LinearizedModel) or context.device.type == "cuda":
        return None
    x = context.data.normalize(context.data.train.pixels[:IMAGES_JUDGED_BY])
    # Two images judge high, so that the others do not take more than a pass may.
    few = images_within(PASS_BYTES, network, x[:2])
    return images_within(PASS_BYTES, network, x[: min(few, context.spec.training.batch_size)])


def _decay_origin(network: nn.Module, weight_decay: str) -> list[Tensor]:
    """Offsets o so that decay acts on p + o: w + theta_s towards 0, or theta towards theta_s."""
    if isinstance(network, LinearizedModel):
        return network.anchors() if weight_decay == "zero-origin" else []
    if weight_decay == "switch-point":
        return [-p.detach() for p in network.parameters() if p.requires_grad]
    return []


def _carried_state(context: Context, seed: int, arm: Arm) -> dict[str, Tensor] | None:
    carries = context.spec.linearization.optimizer_state == "carry" and arm.kind != "probe"
    if not carries or arm.start == 0:
        return None
    train = train_stage(context, seed)
    return read_tensors(context.store.checkpoint_path(train, arm.start, optimizer=True))


def best_of(rates: Iterable[Rate], ends: Iterable[ArmEnd]) -> tuple[int, list[TriedRate]]:
    """Which of an arm's learning rates is kept, and how each constant one did."""
    tried = [_tried(rate, end) for rate, end in zip(rates, ends, strict=True) if rate != "inherit"]
    return choose_rate(tried) if len(tried) > 1 else 0, tried


def _tried(rate: float, end: ArmEnd) -> TriedRate:
    judged = end.validation_accuracy is not None
    return TriedRate(
        learning_rate=rate,
        diverged_at=None if judged else end.diverged_at,
        validation_accuracy=end.validation_accuracy,
        validation_loss=end.validation_loss,
    )
