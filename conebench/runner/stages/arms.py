"""Arms that leave ordinary training at a step: linear arms, controls, linear probes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from conebench.data.datasets import Images
from conebench.linearize import LinearizedModel
from conebench.networks.timm_models import classifier_parameters
from conebench.record import ArmCurve, TriedRate, choose_rate, pack_bits
from conebench.runner.stages.activation_memory import images_within
from conebench.runner.stages.context import Context
from conebench.runner.stages.resume import State, load_state, train_resumably
from conebench.runner.stages.training import (
    LaterStage,
    curve_size,
    curve_subset,
    parent_recipe,
)
from conebench.runner.stages.work import Sizes, Step, Work
from conebench.spec import Spec
from conebench.spec.arms import Arm, Kind, Rate
from conebench.storage.store import StageKey
from conebench.training.loop import DivergedError, Evaluation, Recipe, evaluate

# Bump when the stage's output changes; stored results of older versions are then ignored.
ARM_VERSION = 4
# Bytes that one pass of a linearized network may keep for its gradients. A whole batch of a ViT
# takes 1.7 times the memory of ordinary training, since freed memory stays with the process in
# pieces; in two passes it is as fast. With a smaller limit, two passes take up to a tenth longer.
PASS_BYTES = 3 * 2**27
IMAGES_JUDGED_BY = 32
# Recording a pass takes as long as tens of steps, and saves about half of each.
STEPS_WORTH_RECORDING = 200

STEPS: dict[Kind, Step] = {"linear": "linear", "control": "ordinary", "probe": "probe"}


class ArmEnd(BaseModel):
    """Result of an arm, on validation images too if there are any."""

    model_config = ConfigDict(frozen=True)

    status: Literal["finished", "diverged"]
    diverged_at: int | None = None
    test_accuracy: float | None = None
    test_loss: float | None = None
    validation_accuracy: float | None = None
    validation_loss: float | None = None
    correct: str | None = None
    curve: ArmCurve | None = None


class CurvePoint(BaseModel):
    """An arm at one checkpoint; the test loss is None if it is not finite."""

    model_config = ConfigDict(frozen=True)

    step: int
    train_loss: float
    test_loss: float | None
    test_accuracy: float


@dataclass(frozen=True)
class ArmStage(LaterStage[ArmEnd]):
    """One arm with one learning rate; arms that do the same work share its result."""

    arm: Arm
    rate: Rate

    result_type = ArmEnd

    @property
    def kind(self) -> Kind:
        return self.arm.kind

    @property
    def name(self) -> str:
        several = len(self.arm.planned_rates) > 1 and self.rate != "inherit"
        return f"{self.arm.label} at {self.rate:g}" if several else self.arm.label

    def key(self, context: Context) -> StageKey:
        kernel, linearization = context.spec.kernel, context.inputs("linearization")
        # Of a list of learning rates, only this one: a longer list computes only what is new.
        inputs = {
            **self.training.key(context).inputs,
            "linearization": {**linearization["linearization"], "learning_rate": self.rate},
            "calibration": [kernel.calibration_samples, kernel.probe_seed],
            "kind": self.kind,
            "start": self.arm.start,
            "anchor": self.arm.anchor,
            "arm_version": ARM_VERSION,
        }
        return StageKey(f"{self.kind}-seed{self.seed}-from{self.arm.start}", inputs)

    def steps(self, spec: Spec) -> tuple[int, int]:
        return self.arm.start, spec.total_steps

    def work(self, sizes: Sizes) -> Work:
        """Count all steps, the images of the curve, and the test and validation images."""
        spec = sizes.spec
        part = min(sizes.test_images, curve_size(spec, sizes.classes))
        points = sum(step > self.arm.start for step in spec.checkpoint_steps)
        tested = points * part + sizes.test_images + (spec.dataset.validation_size or 0)
        return Work(STEPS[self.kind], spec.total_steps - self.arm.start, tested_images=tested)

    def compute(self, context: Context) -> ArmEnd:
        """Train the arm from its start to the end, and test it."""
        network = self._network(context)
        recipe = self._recipe(context, network)
        if isinstance(network, LinearizedModel):
            # Not by the steps left: a resumed arm does as an uninterrupted one.
            steps = context.spec.total_steps - self.arm.start
            network.replays = steps >= STEPS_WORTH_RECORDING
        begin = load_state(context, self) or self._first_state(context)
        points = [CurvePoint.model_validate(point) for point in begin.results]
        if points:
            context.advance(Work(tested_images=len(points) * len(curve_subset(context))))
        end: dict[str, Any] = {"status": "finished"}
        # Validation first, and kept whatever the test gives: the choice between rates must not
        # depend on the test.
        parts = {"validation": context.data.validation, "test": context.data.test}
        try:
            self._train(context, network, recipe, begin, points)
            for name, images in parts.items():
                if images is not None:
                    found = _evaluate(context, network, recipe, images)
                    end |= {f"{name}_accuracy": found.accuracy, f"{name}_loss": found.loss}
            # The last one tested.
            end["correct"] = pack_bits(found.correct.numpy())
        except DivergedError as error:
            end |= {"status": "diverged", "diverged_at": error.step}
        return ArmEnd(**end, curve=_curve(points))

    def _train(
        self,
        context: Context,
        network: nn.Module,
        recipe: Recipe,
        begin: State,
        points: list[CurvePoint],
    ) -> None:
        """Train to the end. Add a point to the curve at each checkpoint after the start."""
        grid, images = context.spec.checkpoint_steps, curve_subset(context)
        for checkpoint in train_resumably(
            context,
            self,
            network,
            recipe,
            begin,
            checkpoints=grid,
            results=points,
            stores_each=False,
        ):
            # Others are pauses in which the state is stored.
            if checkpoint.step in grid and checkpoint.train_loss is not None:
                accuracy, loss, _ = evaluate(network, context.data, images, recipe.loss)
                point = CurvePoint(
                    step=checkpoint.step,
                    train_loss=checkpoint.train_loss,
                    test_loss=loss if math.isfinite(loss) else None,
                    test_accuracy=accuracy,
                )
                points.append(point)
                rate = recipe.learning_rate(checkpoint.step)
                context.log(self.seed, self.name, **point.model_dump(), learning_rate=rate)
                context.advance(Work(tested_images=len(images)))

    def _network(self, context: Context) -> nn.Module:
        if self.arm.anchor == "pretrained":
            anchor = context.initial_network(self.seed, pretrained=True)
        else:
            anchor = self.training.network_at(context, self.arm.anchor)
        if self.kind == "control":
            return anchor
        if self.kind == "linear":
            return context.linearized(anchor)
        # A probe: the last layer alone is trained.
        frozen = context.frozen(anchor, context.spec.linearization.batchnorm)
        head = classifier_parameters(frozen)
        for name, parameter in frozen.named_parameters():
            parameter.requires_grad_(name in head)
        return frozen

    def _first_state(self, context: Context) -> State:
        # A probe trains few of the parameters that the optimizer's state is for.
        carries = context.spec.linearization.optimizer_state == "carry" and self.kind != "probe"
        optimizer = self.training.optimizer_at(context, self.arm.start) if carries else None
        return State(self.arm.start, optimizer=optimizer)

    def _recipe(self, context: Context, network: nn.Module) -> Recipe:
        """Return the recipe of the linearization section, for arms of any kind."""
        parent, choice = parent_recipe(context, self.seed), context.spec.linearization
        rate = self.rate
        decay_origin = _decay_origin(network, choice.weight_decay) if parent.weight_decay else ()
        return replace(
            parent,
            learning_rate=parent.learning_rate if rate == "inherit" else lambda _: rate,
            weight_decay=0.0 if choice.weight_decay == "none" else parent.weight_decay,
            loss=parent.loss if choice.loss == "inherit" else choice.loss,
            augment=choice.augmentation == "inherit",
            images_at_once=_images_at_once(context, network),
            decay_origin=decay_origin,
        )


def _curve(points: Sequence[CurvePoint]) -> ArmCurve:
    return ArmCurve(
        steps=[point.step for point in points],
        train_loss=[point.train_loss for point in points],
        test_loss=[point.test_loss for point in points],
        test_accuracy=[point.test_accuracy for point in points],
    )


def _evaluate(context: Context, network: nn.Module, recipe: Recipe, images: Images) -> Evaluation:
    found = evaluate(network, context.data, images, recipe.loss)
    if not math.isfinite(found.loss):
        raise DivergedError(context.spec.total_steps)
    context.advance(Work(tested_images=len(images)))
    return found


def _images_at_once(context: Context, network: nn.Module) -> int | None:
    """Return how many images a linearized network takes in one pass. None for a whole batch."""
    # GPU memory does not fragment, so there the whole batch is one pass. In networks that are not
    # linearized, BatchNorm may need the whole batch.
    if not isinstance(network, LinearizedModel) or context.device.type == "cuda":
        return None
    x = context.data.normalize(context.data.train.pixels[:IMAGES_JUDGED_BY])
    # Two images overestimate the cost per image, which keeps the second probe within the limit.
    few = images_within(PASS_BYTES, network, x[:2])
    return images_within(PASS_BYTES, network, x[: min(few, context.spec.training.batch_size)])


def _decay_origin(network: nn.Module, weight_decay: str) -> list[Tensor]:
    """Return offsets o, so that decay acts on p + o.

    It pulls w + theta_s toward 0 (`zero-origin`) or theta toward theta_s (`switch-point`).
    """
    if isinstance(network, LinearizedModel):
        return network.anchors() if weight_decay == "zero-origin" else []
    if weight_decay == "switch-point":
        return [-p.detach() for p in network.parameters() if p.requires_grad]
    return []


def best_of(rates: Sequence[Rate], ends: Sequence[ArmEnd]) -> tuple[int, list[TriedRate]]:
    """Choose the best of an arm's learning rates. Return its index, and how each constant did."""
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
