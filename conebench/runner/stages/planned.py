"""Stages that a spec plans for a seed, before and after its T* is known."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from conebench.analysis.phases import Phases
from conebench.record import KernelTrajectory, derive_phases
from conebench.runner.stages.arms import ArmStage
from conebench.runner.stages.base import Stage, stored_result
from conebench.runner.stages.context import Context
from conebench.runner.stages.copies import CopyStage
from conebench.runner.stages.full_end import FullEndStage
from conebench.runner.stages.kernels import KernelStage
from conebench.runner.stages.training import Trained, TrainStage
from conebench.spec import Spec
from conebench.spec.arms import Arm, PerturbedCopy, guess_arms, plan_arms, plan_copies
from conebench.storage.manifest import Planned, update_manifest
from conebench.storage.store import StageKey


class Trajectory(NamedTuple):
    """Ordinary training of one seed, its kernels, and what follows from them."""

    spec: Spec
    trained: Trained
    kernel: KernelTrajectory
    phases: Phases

    def arms(self) -> list[Arm]:
        """List the arms that leave this trajectory."""
        return plan_arms(self.spec, self.trained.curve.steps[-1], self.phases.T_star)

    def copies(self) -> list[PerturbedCopy]:
        """List the perturbed copies that leave this trajectory."""
        return plan_copies(self.spec, self.kernel.steps[-1])


def trajectory_of(spec: Spec, trained: Trained, kernel: KernelTrajectory) -> Trajectory:
    """Derive phases from the kernels of a seed."""
    return Trajectory(spec, trained, kernel, derive_phases(spec, kernel))


def planned_stages(spec: Spec, seed: int, arms: Sequence[Arm] | None = None) -> list[Stage[Any]]:
    """List all stages of a seed in order; `arms` are guessed if not known."""
    arms = guess_arms(spec) if arms is None else arms
    return [
        TrainStage(seed),
        KernelStage(seed),
        *(ArmStage(seed, arm, rate) for arm in arms for rate in arm.planned_rates),
        *(CopyStage(seed, copy) for copy in plan_copies(spec, spec.total_steps)),
        FullEndStage(seed),
    ]


def adopt_older_results(context: Context) -> None:
    """Take over stages of an older conebench, which did not store its code."""
    for seed in context.spec.seeds:
        # Arms are known from these two.
        _adopt(context, TrainStage(seed))
        _adopt(context, KernelStage(seed))
        arms = _known_arms(context, seed) or guess_arms(context.spec)
        # A control may have any of the rates.
        for stage in (ArmStage(seed, arm, rate) for arm in arms for rate in arm.rates):
            _adopt(context, stage)
        for copy in plan_copies(context.spec, context.spec.total_steps):
            _adopt(context, CopyStage(seed, copy))


def _adopt(context: Context, stage: Stage[Any]) -> None:
    key = stage.key(context)
    inputs = {name: value for name, value in key.inputs.items() if name != "code"}
    context.store.adopt(StageKey(key.name, inputs), key)


def write_plan(context: Context) -> None:
    """Write the stages of all seeds into the manifest."""
    planned = [
        _planned(context, stage)
        for seed in context.spec.seeds
        for stage in planned_stages(context.spec, seed, _known_arms(context, seed))
    ]
    update_manifest(context.store, planned)


def _planned(context: Context, stage: Stage[Any]) -> Planned:
    first, last = stage.steps(context.spec)
    work = stage.work(context.sizes).passes(context.sizes)
    key = stage.key(context)
    return Planned(stage.label, stage.seed, key, work, first, last, stage.kind)


def _known_arms(context: Context, seed: int) -> list[Arm] | None:
    """List the arms of a seed. None before its kernels are known."""
    trained = stored_result(context, TrainStage(seed))
    kernel = stored_result(context, KernelStage(seed))
    if trained is None or kernel is None:
        return None
    return trajectory_of(context.spec, trained.value, kernel.value).arms()
