"""Stages of the chaos probe: a copy perturbed at t0, compared with ordinary training at each t1."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from conebench.analysis.barrier import barrier
from conebench.entk import KernelError, empirical_ntk, unit_gram
from conebench.errors import RunError
from conebench.networks.perturbation import (
    cosine_dissimilarity,
    disagreement,
    path,
    perturb,
    weight_spreads,
)
from conebench.record import ChaosResult
from conebench.runner.stages.context import Context
from conebench.runner.stages.kernels import kernel_inputs, kernel_matrix, kernel_work
from conebench.runner.stages.training import parent_recipe, train_stage, training_work
from conebench.seeding import counter_generator
from conebench.spec.arms import PerturbedCopy
from conebench.storage.store import Stage, read_tensors
from conebench.training.loop import Checkpoint, DivergedError, evaluate, predict, train

CHAOS_VERSION = 1


class Comparisons(BaseModel):
    """Result of one copy's stage: one comparison for each of its ends."""

    model_config = ConfigDict(frozen=True)

    pairs: list[ChaosResult]


def copy_stage(context: Context, seed: int, copy: PerturbedCopy) -> Stage:
    """The stage of one perturbed copy."""
    inputs = {
        **train_stage(context, seed).inputs,
        **context.inputs("kernel"),
        **copy._asdict(),
        "chaos_version": CHAOS_VERSION,
    }
    return Stage(f"chaos-seed{seed}-from{copy.t0}", inputs)


def copy_work(context: Context, copy: PerturbedCopy) -> float:
    """Work of one perturbed copy, in passes of one image through the network."""
    steps = copy.ends[-1] - copy.t0
    return training_work(context, steps) + len(copy.ends) * _comparison_work(context, copy)


def _comparison_work(context: Context, copy: PerturbedCopy) -> float:
    images = len(context.data.test) + context.spec.kernel.calibration_samples
    return 2 * kernel_work(context) + networks_compared(copy) * images


def networks_compared(copy: PerturbedCopy) -> int:
    """Networks tested in one comparison: the points, and the ends again for their predictions."""
    return copy.points + 2


def run_copy(context: Context, seed: int, copy: PerturbedCopy) -> Comparisons:
    """Train one perturbed copy to the last of its ends, and compare it at each."""
    results: list[ChaosResult] = []
    try:
        for checkpoint in train_copy(context, seed, copy):
            if checkpoint.step in copy.ends:
                results.append(_compare(context, seed, copy, checkpoint))
                context.progress.advance(_comparison_work(context, copy))
    except DivergedError as error:
        for t1 in copy.ends[len(results) :]:
            lost = ChaosResult(t0=copy.t0, t1=t1, status="diverged", diverged_at=error.step)
            results.append(lost)
    return Comparisons(pairs=results)


def train_copy(context: Context, seed: int, copy: PerturbedCopy) -> Iterator[Checkpoint]:
    """Train a perturbed copy as ordinary training goes on from t0; pause as `train` does."""
    stage, t0 = train_stage(context, seed), copy.t0
    # Step 0 has a fresh optimizer, as ordinary training has there.
    state_path = context.store.checkpoint_path(stage, t0, optimizer=True)
    last = t0
    for checkpoint in train(
        _perturbed_network(context, seed, copy),
        context.data,
        parent_recipe(context, seed),
        start=t0,
        # Pauses between the ends only drive the progress display.
        checkpoints=[step for step in context.spec.checkpoint_steps if step <= copy.ends[-1]],
        optimizer_state=read_tensors(state_path) if t0 else None,
    ):
        context.progress.advance(training_work(context, checkpoint.step - last))
        last = checkpoint.step
        yield checkpoint


def _perturbed_network(context: Context, seed: int, copy: PerturbedCopy) -> nn.Module:
    """The network at theta_t0 + sigma spread(theta_0) eps, in training mode."""
    stage = train_stage(context, seed)
    network = context.network_at(stage, seed, copy.t0)
    spreads = weight_spreads(context.network_at(stage, seed, 0))
    perturb(network, spreads, copy.sigma, counter_generator(seed, "chaos", copy.t0))
    return network


def _compare(
    context: Context, seed: int, copy: PerturbedCopy, checkpoint: Checkpoint
) -> ChaosResult:
    """Figures of the perturbed copy at a checkpoint against ordinary training's own there."""
    one = context.network_at(train_stage(context, seed), seed, checkpoint.step)
    # Not the live network: some keep tensors of their last training pass, which have no copy.
    other = context.initial_network(seed, pretrained=False)
    other.load_state_dict(checkpoint.model.state_dict())
    losses = _path_losses(context, one, other, copy.points)
    if not all(map(math.isfinite, losses)):
        raise DivergedError(checkpoint.step)
    ends = [context.frozen(network, "recalibrated") for network in (one, other)]
    predicted = [predict(network, context.data, context.data.test) for network in ends]
    try:
        S = _kernel_distance(context, one, other)
    except KernelError as error:
        raise RunError(f"seed {seed}, {copy.label} at {checkpoint.step}: {error}") from None
    return ChaosResult(
        t0=copy.t0,
        t1=checkpoint.step,
        status="finished",
        losses=losses,
        barrier=barrier(np.array(losses)),
        disagreement=disagreement(*predicted),
        parameter_dissimilarity=cosine_dissimilarity(one, other),
        S=S,
    )


def _path_losses(context: Context, one: nn.Module, other: nn.Module, points: int) -> list[float]:
    """Test loss along the straight line, BatchNorm recalibrated at every point."""
    data, losses = context.data, []
    for network in path(one, other, points):
        frozen = context.frozen(network, "recalibrated")
        losses.append(evaluate(frozen, data, data.test, context.spec.training.loss)[1])
    return losses


def _kernel_distance(context: Context, one: nn.Module, other: nn.Module) -> float:
    """S between the kernels of two networks, built as the kernel section says."""
    kernels = [_kernel(context, network) for network in (one, other)]

    def rows(i: int, start: int, stop: int) -> torch.Tensor:
        return kernels[i][start:stop]

    norms = [float(H.double().norm()) for H in kernels]
    return 1.0 - float(unit_gram(2, len(kernels[0]), rows, norms)[0, 1])


def _kernel(context: Context, network: nn.Module) -> torch.Tensor:
    outputs, limit = context.spec.kernel.outputs or "full", context.kernel_memory
    frozen, x = kernel_inputs(context, network)
    return kernel_matrix(empirical_ntk(frozen, x, outputs=outputs, memory_limit=limit))
