"""Copies of a run, perturbed at t0 and compared with it at each t1 (chaos probe)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

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
from conebench.runner.stages.kernels import kernel_inputs, kernel_matrix
from conebench.runner.stages.resume import State, load_state, train_resumably
from conebench.runner.stages.training import LaterStage, parent_recipe
from conebench.runner.stages.work import Sizes, Work
from conebench.seeding import counter_generator
from conebench.spec import Spec
from conebench.spec.arms import PerturbedCopy
from conebench.storage.store import StageKey
from conebench.training.loop import Checkpoint, DivergedError, evaluate, predict

# Bump when the stage's output changes; stored results of older versions are then ignored.
CHAOS_VERSION = 1


class Comparisons(BaseModel):
    """Result of one perturbed copy: a comparison at each of its ends."""

    model_config = ConfigDict(frozen=True)

    pairs: list[ChaosResult]


@dataclass(frozen=True)
class CopyStage(LaterStage[Comparisons]):
    """One perturbed copy, trained to the last of its ends and compared at each."""

    copy: PerturbedCopy

    result_type = Comparisons
    kind = "chaos"

    @property
    def name(self) -> str:
        return self.copy.label

    def key(self, context: Context) -> StageKey:
        inputs = {
            **self.training.key(context).inputs,
            **context.inputs("kernel"),
            **self.copy._asdict(),
            "chaos_version": CHAOS_VERSION,
        }
        return StageKey(f"{self.kind}-seed{self.seed}-from{self.copy.t0}", inputs)

    def steps(self, _: Spec) -> tuple[int, int]:
        return self.copy.t0, self.copy.ends[-1]

    def work(self, sizes: Sizes) -> Work:
        """Count all steps, and a comparison per end."""
        ends = len(self.copy.ends)
        return replace(self._comparisons(sizes, ends), steps=self.copy.ends[-1] - self.copy.t0)

    def _comparisons(self, sizes: Sizes, count: int) -> Work:
        # Every point of the line is tested, and both ends once more for their predictions.
        networks = self.copy.points + 2
        images = sizes.test_images + sizes.spec.kernel.calibration_samples
        return Work(kernels=2 * count, tested_images=count * networks * images)

    def compute(self, context: Context) -> Comparisons:
        """Train the copy, and compare it at each end."""
        begin = load_state(context, self) or self.first_state(context)
        pairs = [ChaosResult.model_validate(pair) for pair in begin.results]
        if pairs:
            context.advance(self._comparisons(context.sizes, len(pairs)))
        try:
            for checkpoint in self.train(context, begin, pairs):
                if checkpoint.step in self.copy.ends:
                    pairs.append(self._compare(context, checkpoint))
                    context.advance(self._comparisons(context.sizes, 1))
        except DivergedError as error:
            pairs += [
                ChaosResult(t0=self.copy.t0, t1=t1, status="diverged", diverged_at=error.step)
                for t1 in self.copy.ends[len(pairs) :]
            ]
        return Comparisons(pairs=pairs)

    def first_state(self, context: Context) -> State:
        """Read the optimizer's state at t0."""
        t0 = self.copy.t0
        return State(t0, optimizer=self.training.optimizer_at(context, t0))

    def train(
        self, context: Context, begin: State, pairs: list[ChaosResult]
    ) -> Iterator[Checkpoint]:
        """Train the copy as ordinary training goes on from t0."""
        network, recipe = self._perturbed_network(context), parent_recipe(context, self.seed)
        # Checkpoints between the ends are for progress alone.
        steps = [step for step in context.spec.checkpoint_steps if step <= self.copy.ends[-1]]
        return train_resumably(
            context, self, network, recipe, begin, checkpoints=steps, results=pairs
        )

    def _perturbed_network(self, context: Context) -> nn.Module:
        """Make the network at theta_t0 + sigma spread(theta_0) eps, in training mode."""
        t0 = self.copy.t0
        network = self.training.network_at(context, t0)
        spreads = weight_spreads(self.training.network_at(context, 0))
        perturb(network, spreads, self.copy.sigma, counter_generator(self.seed, "chaos", t0))
        return network

    def _compare(self, context: Context, checkpoint: Checkpoint) -> ChaosResult:
        """Compare the copy with ordinary training at the same checkpoint."""
        one = self.training.network_at(context, checkpoint.step)
        # Not the live network: some keep tensors of their last training pass, which have no copy.
        other = context.initial_network(self.seed, pretrained=False)
        other.load_state_dict(checkpoint.model.state_dict())
        losses = _path_losses(context, one, other, self.copy.points)
        # Training may stay finite where the line to the copy does not.
        if not all(map(math.isfinite, losses)):
            raise DivergedError(checkpoint.step)
        ends = [context.frozen(network, "recalibrated") for network in (one, other)]
        predicted = [predict(network, context.data, context.data.test) for network in ends]
        try:
            S = _kernel_distance(context, one, other)
        except KernelError as error:
            where = f"seed {self.seed}, {self.name} at {checkpoint.step}"
            raise RunError(f"{where}: {error}") from None
        return ChaosResult(
            t0=self.copy.t0,
            t1=checkpoint.step,
            status="finished",
            losses=losses,
            barrier=barrier(np.array(losses)),
            disagreement=disagreement(*predicted),
            parameter_dissimilarity=cosine_dissimilarity(one, other),
            S=S,
        )


def _path_losses(context: Context, one: nn.Module, other: nn.Module, points: int) -> list[float]:
    """Return the test loss along the straight line, BatchNorm recalibrated at every point."""
    data, losses = context.data, []
    for network in path(one, other, points):
        frozen = context.frozen(network, "recalibrated")
        losses.append(evaluate(frozen, data, data.test, context.spec.training.loss).loss)
    return losses


def _kernel_distance(context: Context, one: nn.Module, other: nn.Module) -> float:
    """Return S between the kernels of two networks, built as the kernel section says."""
    kernels = [_kernel(context, network) for network in (one, other)]

    def rows(i: int, start: int, stop: int) -> torch.Tensor:
        return kernels[i][start:stop]

    norms = [float(H.double().norm()) for H in kernels]
    return 1.0 - float(unit_gram(2, len(kernels[0]), rows, norms)[0, 1])


def _kernel(context: Context, network: nn.Module) -> torch.Tensor:
    outputs, limit = context.spec.kernel.outputs or "full", context.kernel_memory
    frozen, x = kernel_inputs(context, network)
    return kernel_matrix(empirical_ntk(frozen, x, outputs=outputs, memory_limit=limit))
