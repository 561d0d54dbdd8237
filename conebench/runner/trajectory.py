"""Ordinary training of one seed: its stage, its checkpoints, its curve."""

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from conebench.data import Images
from conebench.record import TrainingCurve
from conebench.runner.context import Context
from conebench.spec import Spec, learning_rate
from conebench.store import Stage, read_facts, read_tensors
from conebench.training import Checkpoint, DivergedError, Recipe, evaluate, train

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


def checkpoints_are_whole(context: Context, seed: int, trained: Trained) -> bool:
    """Whether every checkpoint that training stored can still be read."""
    stage = train_stage(context, seed)
    return all(_is_stored(context, stage, step) for step in trained.curve.steps)


def _is_stored(context: Context, stage: Stage, step: int) -> bool:
    """Whether a checkpoint can be read, with the optimizer's state if that is to be kept."""
    parts = (False, True) if step in kept_optimizers(context.spec) else (False,)
    paths = [context.store.checkpoint_path(stage, step, optimizer=part) for part in parts]
    return all(read_facts(path) is not None for path in paths)


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
    """Train one seed, or take up its training at the last checkpoint stored."""
    stage, spec = train_stage(context, seed), context.spec
    network = context.initial_network(seed)
    done = _stored_steps(context, stage)
    optimizer_state = None
    if done:
        path = context.store.checkpoint_path(stage, done[-1])
        network.load_state_dict(read_tensors(path))
        path = context.store.checkpoint_path(stage, done[-1], optimizer=True)
        optimizer_state = read_tensors(path)
        context.progress.advance(training_work(context, done[-1]))
    start = done[-1] if done else 0
    diverged_at = None
    try:
        for checkpoint in train(
            network,
            context.data,
            parent_recipe(context, seed),
            start=start,
            checkpoints=[step for step in spec.checkpoint_steps if step not in done],
            optimizer_state=optimizer_state,
        ):
            _store_checkpoint(context, stage, checkpoint)
            context.progress.advance(training_work(context, checkpoint.step - start))
            start = checkpoint.step
            done.append(start)
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


def _stored_steps(context: Context, stage: Stage) -> list[int]:
    """Steps of the grid, from 0 without a gap, up to one that training can be resumed from."""
    steps: list[int] = []
    for step in context.spec.checkpoint_steps:
        if not _is_stored(context, stage, step):
            break
        steps.append(step)

    def resumable(step: int) -> bool:
        path = context.store.checkpoint_path(stage, step, optimizer=True)
        return read_facts(path) is not None

    while steps and not resumable(steps[-1]):
        steps.pop()
    return steps


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
    optimizer_path = store.checkpoint_path(stage, step, optimizer=True)
    store.write_tensors(optimizer_path, checkpoint.optimizer_tensors(), {})
    store.write_tensors(store.checkpoint_path(stage, step), checkpoint.model_tensors(), facts)
    steps = (step, *kept_optimizers(context.spec))
    kept = {store.checkpoint_path(stage, other, optimizer=True) for other in steps}
    for path in optimizer_path.parent.glob("*.optimizer.safetensors"):
        if path not in kept:
            path.unlink()


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
