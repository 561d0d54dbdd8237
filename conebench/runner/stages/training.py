"""Ordinary training of one seed: its checkpoints and its curve."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict
from torch import nn

from conebench.data.datasets import Images
from conebench.record import TrainingCurve
from conebench.runner.stages.base import ResultT, Stage
from conebench.runner.stages.context import Context
from conebench.runner.stages.resume import State, load_state, train_resumably
from conebench.runner.stages.work import PASSES, Sizes, Work
from conebench.spec import Spec, learning_rate
from conebench.storage.atomic_files import whole_or_set_aside
from conebench.storage.store import CheckpointPart, StageKey, read_facts, read_tensors
from conebench.training.averaging import WeightAverage
from conebench.training.loop import Checkpoint, DivergedError, Recipe, evaluate
from conebench.training.optimizers import TensorDict

# Bump when the stage's output changes; stored results of older versions are then ignored.
TRAIN_VERSION = 2
# Evaluation at checkpoints takes at most this share of the passes of ordinary training.
EVALUATION_SHARE = 0.1


class Trained(BaseModel):
    """Result of ordinary training: its curve and its end."""

    model_config = ConfigDict(frozen=True)

    curve: TrainingCurve
    status: Literal["finished", "diverged"]
    diverged_at: int | None


@dataclass(frozen=True)
class TrainStage(Stage[Trained]):
    """Ordinary training of one seed."""

    result_type = Trained
    kind = "train"
    name = "ordinary training"

    def key(self, context: Context) -> StageKey:
        inputs = context.inputs("model", "dataset", "training")
        grid, kept = context.spec.checkpoint_steps, kept_optimizers(context.spec)
        # Before the chaos probe this was a bool; keep it so, or stored stages would be lost.
        keeps = kept == grid or list(kept) or False
        inputs |= {"grid": list(grid), "keeps_optimizer": keeps, "version": TRAIN_VERSION}
        if context.spec.kernel.averaged:
            inputs["averaged"] = list(averaged_steps(context.spec, grid))
        return StageKey(f"{self.kind}-seed{self.seed}", inputs)

    def steps(self, spec: Spec) -> tuple[int, int]:
        return 0, spec.total_steps

    def work(self, sizes: Sizes) -> Work:
        """Count all steps, a part of the test images per checkpoint, and all at the end."""
        spec = sizes.spec
        part = min(sizes.test_images, curve_size(spec, sizes.classes))
        tested = part * (len(spec.checkpoint_steps) - 1) + sizes.test_images
        return Work(steps=spec.total_steps, tested_images=tested)

    def compute(self, context: Context) -> Trained:
        """Train, and test the network at every checkpoint."""
        grid, begin, done = context.spec.checkpoint_steps, State(0), list[int]()
        stored = load_state(context, self)
        if stored is not None:
            reached = [step for step in grid if step <= stored.step]
            # Later stages read the checkpoints: if one is lost, training starts from the beginning.
            if all_whole_or_set_aside(self.checkpoint_files(context, reached)):
                begin, done = stored, reached
                tested = sum(len(curve_images(context, step)) for step in done)
                context.advance(Work(tested_images=tested))
        network, diverged_at = context.initial_network(self.seed), None
        average = WeightAverage() if context.spec.kernel.averaged else None
        try:
            for checkpoint in train_resumably(
                context,
                self,
                network,
                parent_recipe(context, self.seed),
                begin,
                checkpoints=grid,
                average=average,
            ):
                if checkpoint.step in grid:
                    self._store_average(context, checkpoint, average)
                    self._store_checkpoint(context, checkpoint)
                    done.append(checkpoint.step)
        except DivergedError as error:
            diverged_at = error.step
        return Trained(
            curve=self._curve(context, done),
            status="finished" if diverged_at is None else "diverged",
            diverged_at=diverged_at,
        )

    def files(self, context: Context, result: Trained) -> list[Path]:
        """List the checkpoints that other stages start from."""
        return self.checkpoint_files(context, result.curve.steps)

    def checkpoint_files(self, context: Context, steps: Sequence[int]) -> list[Path]:
        """List the files of the checkpoints at these steps."""
        key, path = self.key(context), context.store.checkpoint_path
        kept = set(kept_optimizers(context.spec)).intersection(steps)
        return [
            *(path(key, step) for step in steps),
            *(path(key, step, "optimizer") for step in sorted(kept)),
            *(path(key, step, "averaged") for step in averaged_steps(context.spec, steps)),
        ]

    def network_at(
        self, context: Context, step: int, part: CheckpointPart = "network"
    ) -> nn.Module:
        """Read the network at theta_step, or at the average that ends there, in training mode."""
        network = context.initial_network(self.seed, pretrained=False)
        path = context.store.checkpoint_path(self.key(context), step, part)
        network.load_state_dict(read_tensors(path))
        return network

    def optimizer_at(self, context: Context, step: int) -> TensorDict | None:
        """Read the optimizer's state at a step. None at step 0, where it is fresh."""
        path = context.store.checkpoint_path(self.key(context), step, "optimizer")
        return read_tensors(path) if step else None

    def _store_average(
        self, context: Context, checkpoint: Checkpoint, average: WeightAverage | None
    ) -> None:
        """Store the average of the weights, if an interval of the uniform grid ends here."""
        if average is None or not averaged_steps(context.spec, [checkpoint.step]):
            return
        path = context.store.checkpoint_path(self.key(context), checkpoint.step, "averaged")
        context.store.write_tensors(path, average.take(checkpoint.model), {})

    def _store_checkpoint(self, context: Context, checkpoint: Checkpoint) -> None:
        store, key, step = context.store, self.key(context), checkpoint.step
        images, loss_name = curve_images(context, step), context.spec.training.loss
        accuracy, loss, _ = evaluate(checkpoint.model, context.data, images, loss_name)
        # A finite training loss does not show that the update after it was finite too.
        if not math.isfinite(loss):
            raise DivergedError(step)
        facts = {
            "train_loss": checkpoint.train_loss,
            "test_loss": loss,
            "test_accuracy": accuracy,
            "test_images": len(images),
        }
        # The optimizer first: a checkpoint counts once its network is there.
        if step in kept_optimizers(context.spec):
            optimizer_path = store.checkpoint_path(key, step, "optimizer")
            store.write_tensors(optimizer_path, checkpoint.optimizer_tensors(), {})
        store.write_tensors(store.checkpoint_path(key, step), checkpoint.model_tensors(), facts)
        measured = {name: facts[name] for name in ("train_loss", "test_loss", "test_accuracy")}
        rate = learning_rate(context.spec, step)
        context.log(self.seed, self.name, step, **measured, learning_rate=rate)
        context.advance(Work(tested_images=len(images)))

    def _curve(self, context: Context, steps: Sequence[int]) -> TrainingCurve:
        paths = [context.store.checkpoint_path(self.key(context), step) for step in steps]
        facts = [read_facts(path) or {} for path in paths]
        return TrainingCurve(
            steps=list(steps),
            train_loss=[f["train_loss"] for f in facts],
            test_loss=[f["test_loss"] for f in facts],
            test_accuracy=[f["test_accuracy"] for f in facts],
            test_images=[f["test_images"] for f in facts],
        )


@dataclass(frozen=True)
class LaterStage(Stage[ResultT]):
    """A stage that starts from checkpoints of ordinary training."""

    @property
    def training(self) -> TrainStage:
        """Ordinary training of the same seed."""
        return TrainStage(self.seed)


def all_whole_or_set_aside(paths: Sequence[Path]) -> bool:
    """Return True if all files are there and whole. Rename each that is damaged."""
    # A list, so that every file is looked at.
    return all([whole_or_set_aside(path) for path in paths])  # noqa: C419


def averaged_steps(spec: Spec, steps: Sequence[int]) -> list[int]:
    """Return the steps at which an interval of averaged weights ends."""
    every = spec.kernel.checkpoints.every
    ends = [step for step in steps if step > 0 and step % every == 0]
    return ends if spec.kernel.averaged else []


def kept_optimizers(spec: Spec) -> tuple[int, ...]:
    """Return the checkpoints at which the optimizer's state is kept too.

    That is all of them if linear arms may carry it on, else those after step 0 at which perturbed
    copies begin.
    """
    if spec.linearization.optimizer_state == "carry":
        return spec.checkpoint_steps
    pairs = spec.chaos.pairs if spec.chaos else ()
    return tuple(sorted({t0 for t0, _ in pairs if t0 > 0}))


def parent_recipe(context: Context, seed: int) -> Recipe:
    """Return the recipe of ordinary training."""
    spec = context.spec
    return Recipe(
        seed=seed,
        batch_size=spec.training.batch_size,
        optimizer=spec.training.optimizer,
        learning_rate=lambda step: learning_rate(spec, step),
        weight_decay=spec.training.optimizer.weight_decay,
        loss=spec.training.loss,
        augment=True,
        keep_last_batch=spec.training.last_batch == "kept",
        label_smoothing=spec.training.label_smoothing,
        clip_gradients=spec.training.clip_gradients,
    )


def curve_images(context: Context, step: int) -> Images:
    """Return the test images of a checkpoint: all at the end, a part before it."""
    if step == context.spec.total_steps:
        return context.data.test
    return curve_subset(context)


def curve_subset(context: Context) -> Images:
    """Return the test images of a curve: a class-balanced part."""
    spec, data = context.spec, context.data
    return data.test_subset(curve_size(spec, len(data.classes)), spec.dataset.subset_seed)


def curve_size(spec: Spec, classes: int) -> int:
    """Return how many test images EVALUATION_SHARE allows per checkpoint, a multiple of classes."""
    # It decides results: if PASSES changes, bump TRAIN_VERSION.
    passes = EVALUATION_SHARE * PASSES["ordinary"] * spec.training.batch_size * spec.total_steps
    per_checkpoint = int(passes / len(spec.checkpoint_steps))
    return classes * max(1, per_checkpoint // classes)
