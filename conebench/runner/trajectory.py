"""Stages of one seed's trajectory: ordinary training, then kernels and their Gram matrix."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from safetensors import safe_open
from torch import Tensor, nn

from conebench.data import Images
from conebench.entk import (
    KernelError,
    Outputs,
    as_matrix,
    double_centred,
    empirical_ntk,
    kernel_statistics,
    self_check,
    unit_gram,
)
from conebench.errors import RunError
from conebench.record import KernelTrajectory, SelfCheck, TrainingCurve
from conebench.runner.context import Context
from conebench.spec import Spec, learning_rate
from conebench.store import Stage, read_facts, read_tensors
from conebench.training import Checkpoint, DivergedError, Recipe, evaluate, train

# Raised whenever the code of a stage changes what it computes: older results are then not met.
TRAIN_VERSION = 2
KERNEL_VERSION = 2
# Random directions of a kernel's self-check, and the relative error that fails a run: float32
# rounding was seen up to 1e-5.
# Evaluation at checkpoints takes at most this share of ordinary training's passes.
EVALUATION_SHARE = 0.1
CHECK_DIRECTIONS = 3
LARGEST_CHECK_ERROR = 1e-2


class Trained(BaseModel):
    """Result of ordinary training: its curve, and how it ended."""

    model_config = ConfigDict(frozen=True)

    curve: TrainingCurve
    status: Literal["finished", "diverged"]
    diverged_at: int | None


def train_stage(context: Context, seed: int) -> Stage:
    """Ordinary training of one seed."""
    inputs = context.inputs("model", "dataset", "training")
    grid = list(context.spec.checkpoint_steps)
    keeps = keeps_optimizer(context)
    return Stage(
        f"train-seed{seed}",
        {**inputs, "grid": grid, "keeps_optimizer": keeps, "version": TRAIN_VERSION},
    )


def keeps_optimizer(context: Context) -> bool:
    """Whether the optimizer's state is kept at every checkpoint: linear arms may carry it on."""
    return context.spec.linearization.optimizer_state == "carry"


def checkpoints_are_whole(context: Context, seed: int, steps: Sequence[int]) -> bool:
    """Whether all that training stored at these steps is still whole."""
    stage, keeps = train_stage(context, seed), keeps_optimizer(context)
    paths = [
        context.store.checkpoint_path(stage, step, optimizer=optimizer)
        for step in steps
        for optimizer in ((False, True) if keeps else (False,))
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
    if keeps_optimizer(context):
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


def kernel_stage(context: Context, seed: int) -> Stage:
    """All kernels of one seed and their Gram matrix."""
    inputs = {**train_stage(context, seed).inputs, **context.inputs("kernel")}
    return Stage(f"kernel-seed{seed}", {**inputs, "kernel_version": KERNEL_VERSION})


def kernel_work(context: Context) -> float:
    """Work of one kernel, in passes of one image through the network."""
    kernel, classes = context.spec.kernel, len(context.data.classes)
    return 3.0 * kernel.samples * (1 if kernel.outputs == "sum" else classes)


def run_kernels(context: Context, seed: int, trained: Trained) -> KernelTrajectory:
    """The kernel at every checkpoint of one seed, then G; kernels stored earlier are used."""
    stage = kernel_stage(context, seed)
    facts: list[dict[str, Any]] = []
    for step in trained.curve.steps:
        path = context.store.kernel_path(stage, step)
        try:
            facts.append(read_facts(path) or _store_kernel(context, stage, seed, step))
        except KernelError as error:
            # A diverging network's last kernels may overflow: its trajectory ends before them.
            if trained.status == "diverged" and facts:
                break
            raise RunError(f"seed {seed}, kernel at step {step}: {error}") from None
        context.progress.advance(kernel_work(context))
    return _trajectory(context, stage, trained.curve.steps[: len(facts)], facts)


def _store_kernel(context: Context, stage: Stage, seed: int, step: int) -> dict[str, Any]:
    kernel, data = context.spec.kernel, context.data
    network = context.frozen(
        context.network_at(train_stage(context, seed), seed, step), kernel.batchnorm
    )
    x = data.normalize(context.probe.pixels)
    if kernel.dtype == "float64":
        network, x = network.double(), x.double()
    outputs = kernel.outputs or "full"
    H = as_matrix(empirical_ntk(network, x, outputs=outputs, memory_limit=context.kernel_memory))
    if not bool(H.any()):
        raise KernelError("the kernel is zero: no output depends on any parameter")
    centred_norm = float(double_centred(H.double()).norm())
    if centred_norm == 0:
        raise KernelError("the centred kernel is zero: are all probe images the same?")
    statistics = kernel_statistics(H, context.probe.labels, len(data.classes))
    mean = H.double().mean(0)
    facts = {
        "norm": statistics.norm,
        "trace": statistics.trace,
        "top_eigenvalue_share": statistics.top_eigenvalue_share,
        "label_alignment": statistics.label_alignment,
        "centred_norm": centred_norm,
    }
    if step in (0, context.spec.total_steps):
        facts["self_check"] = _self_check(network, x, H, outputs)
    tensors = {"H": H.cpu(), "column_mean": mean.cpu()}
    context.store.write_tensors(context.store.kernel_path(stage, step), tensors, facts)
    return facts


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

    def rows(i: int, start: int, stop: int) -> Tensor:
        with safe_open(paths[i], framework="pt") as file:
            part: Tensor = file.get_slice("H")[start:stop]
        return part.to(context.device)

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
    )


def _lower_triangle(G: Tensor) -> list[list[float]]:
    return [row[: i + 1] for i, row in enumerate(G.tolist())]
