"""Ordinary training of one seed: its stage, its checkpoints, its curve."""

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from conebench.data.datasets import Images
from conebench.record import TrainingCurve
from conebench.runner.stages.context import Context
from conebench.spec import Spec, learning_rate
from conebench.storage.store import Stage, read_facts
from conebench.training.loop import Checkpoint, DivergedError, Recipe, evaluate, train

# Raised whenever the code of the stage changes what it computes: older results are then not met.
TRAIN_VERSION = 2
# Evaluation at checkpoints takes at most this share of ordinary training's passes.
EVALUATION_SHARE = 0.1


class Trained(BaseModel):
    """Result of ordinary training: its curve, and how it ended."""

    model_config = ConfigDict(frozen=True)

    curve: TrainingCurve
    status: Literal["finished", "diverged"]
    diverged_at: int | None


def train_stage(context: Context, seed: int) -> Stage:
    """Ordinary training of one seed."""
    inputs = context.inputs("model", "dataset", "training")
    grid, kept = context.spec.checkpoint_steps, kept_optimizers(context.spec)
    # True and False were there before the steps of the chaos probe: older stages are still met.
    keeps = kept == grid or list(kept) or False
    return Stage(
        f"train-seed{seed}",
        {**inputs, "grid": list(grid), "keeps_optimizer": keeps, "version": TRAIN_VERSION},
    )


def kept_optimizers(spec: Spec) -> tuple[int, ...]:
    """Checkpoints at which the optimizer's state is kept, for training that goes on from there.

    All of them where linear arms may carry it on, else where perturbed copies begin, after step 0.
    """
    if spec.linearization.optimizer_state == "carry":
        return spec.checkpoint_steps
    pairs = spec.chaos.pairs if spec.chaos else ()
    return tuple(sorted({t0 for t0, _ in pairs if t0 > 0}))


def checkpoints_are_whole(context: Context, seed: int, steps: Sequence[int]) -> bool:
    """Whether all that training stored at these steps is still whole."""
    stage, kept = train_stage(context, seed), kept_optimizers(context.spec)
    paths = [
        context.store.checkpoint_path(stage, step, optimizer=optimizer)
        for step in steps
        for optimizer in ((False, True) if step in kept else (False,))
    ]
    # All are looked at: each damaged one is set aside.
    facts = [read_facts(path) for path in paths]
    return None not in facts


def parent_recipe(context: Context, seed: int) -> Recipe:
    """How ordinary training goes."""
    spec = context.spec
    return Recipe(
        seed=seed,
        batch_size=spec.training.batch_size,
        optimizer=spec.training.optimizer,
        learning_rate=lambda step: learning_rate(spec, step),
        weight_decay=spec.training.optimizer.weight_decay,
        loss=spec.training.loss,
        augment=True,
        label_smoothing=spec.training.label_smoothing,
        clip_gradients=spec.training.clip_gradients,
    )


def run_training(context: Context, seed: int) -> Trained:
    """Train one seed, or take up its training where it was stored last."""
    stage, spec = train_stage(context, seed), context.spec
    network, midway = context.initial_network(seed), context.midway(stage)
    taken, done = midway.load(), list[int]()
    if taken is not None:
        done = [step for step in spec.checkpoint_steps if step <= taken.step]
        if not checkpoints_are_whole(context, seed, done):
            taken, done = None, []
    last = 0
    if taken is not None:
        network.load_state_dict(taken.model)
        last = taken.step
        context.progress.advance(training_work(context, last))
    diverged_at = None
    try:
        for checkpoint in train(
            network,
            context.data,
            parent_recipe(context, seed),
            start=last,
            checkpoints=[step for step in spec.checkpoint_steps if step not in done],
            optimizer_state=taken.optimizer if taken else None,
            losses_before=taken.losses if taken else (),
            wants_pause=midway.is_due,
        ):
            if checkpoint.step in spec.checkpoint_steps:
                _store_checkpoint(context, stage, checkpoint)
                done.append(checkpoint.step)
            if midway.is_due():
                midway.save(checkpoint)
            context.progress.advance(training_work(context, checkpoint.step - last))
            last = checkpoint.step
    except DivergedError as error:
        diverged_at = error.step
    return Trained(
        curve=_curve(context, stage, done),
        status="finished" if diverged_at is None else "diverged",
        diverged_at=diverged_at,
    )


def training_work(context: Context, steps: int) -> float:
    """Work of ordinary training, in passes of one image through the network."""
    return 3.0 * context.spec.training.batch_size * steps


def _store_checkpoint(context: Context, stage: Stage, checkpoint: Checkpoint) -> None:
    store, step = context.store, checkpoint.step
    images = curve_images(context, step)
    accuracy, loss = evaluate(checkpoint.model, context.data, images, context.spec.training.loss)
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
        optimizer_path = store.checkpoint_path(stage, step, optimizer=True)
        store.write_tensors(optimizer_path, checkpoint.optimizer_tensors(), {})
    store.write_tensors(store.checkpoint_path(stage, step), checkpoint.model_tensors(), facts)


def curve_images(context: Context, step: int) -> Images:
    """The test images that a checkpoint is tested on: all at the end, before it a fixed part.

    The part is class-balanced and as large as EVALUATION_SHARE allows, one image a class at least.
    """
    spec, data = context.spec, context.data
    if step == spec.total_steps:
        return data.test
    return data.test_subset(curve_size(spec, len(data.classes)), spec.dataset.subset_seed)


def curve_size(spec: Spec, classes: int) -> int:
    """How many test images EVALUATION_SHARE allows at each checkpoint, in whole rows of classes."""
    passes = EVALUATION_SHARE * 3 * spec.training.batch_size * spec.total_steps
    each = int(passes / len(spec.checkpoint_steps)) // classes
    return classes * max(1, each)


def _curve(context: Context, stage: Stage, steps: Sequence[int]) -> TrainingCurve:
    facts = [read_facts(context.store.checkpoint_path(stage, step)) or {} for step in steps]
    return TrainingCurve(
        steps=list(steps),
        train_loss=[f["train_loss"] for f in facts],
        test_loss=[f["test_loss"] for f in facts],
        test_accuracy=[f["test_accuracy"] for f in facts],
        test_images=[f["test_images"] for f in facts],
    )
