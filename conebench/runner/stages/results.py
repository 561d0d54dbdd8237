"""Stages of a run: each is computed once, and known afterwards by what is stored of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from conebench.analysis.cone import Cone
from conebench.analysis.phases import Phases
from conebench.errors import ConebenchError, RunError, StageFailedError
from conebench.interrupts import stop_if_interrupted
from conebench.networks.timm_models import first_line
from conebench.record import KernelTrajectory, derive_geometry
from conebench.runner.stages.arms import ArmEnd, arm_stage, run_arm
from conebench.runner.stages.context import Context
from conebench.runner.stages.copies import Comparisons, copy_stage, run_copy
from conebench.runner.stages.kernels import kernel_stage, run_kernels
from conebench.runner.stages.planned import (
    arm_label,
    copy_label,
    expected_stages,
    kernel_label,
    training_label,
)
from conebench.runner.stages.resume import stopwatch
from conebench.runner.stages.training import (
    Trained,
    checkpoints_are_whole,
    run_training,
    train_stage,
)
from conebench.spec.arms import Arm, PerturbedCopy, Rate, plan_arms, plan_copies
from conebench.storage.manifest import read_manifest, update_manifest
from conebench.storage.store import Stage, StageResult

ResultT = TypeVar("ResultT", bound=BaseModel)


class NotFinishedError(Exception):
    """A stage has no stored result, and none is to be computed."""


class Trajectory(NamedTuple):
    """Ordinary training of one seed, its kernels, and what follows from them."""

    trained: Trained
    kernel: KernelTrajectory
    phases: Phases
    cone: Cone | None

    def arms(self, context: Context) -> list[Arm]:
        """The arms that leave this trajectory."""
        return plan_arms(context.spec, self.trained.curve.steps[-1], self.phases.T_star)

    def copies(self, context: Context) -> list[PerturbedCopy]:
        """The perturbed copies that leave this trajectory."""
        return plan_copies(context.spec, self.kernel.steps[-1])


@dataclass
class Stages:
    """Results of stages, stored or computed, the wall time that they took, and what failed.

    `failures` gives the reason by the stage's label.
    """

    context: Context
    compute_missing: bool = True
    announce_stored: bool = True
    wall_seconds: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)

    def trajectory(self, seed: int) -> Trajectory:
        """Ordinary training of a seed and its kernels."""
        context = self.context
        trained = self._result(
            train_stage(context, seed),
            Trained,
            lambda: run_training(context, seed),
            label=training_label(seed),
            is_whole=lambda found: checkpoints_are_whole(context, seed, found.curve.steps),
        )
        kernel = self._result(
            kernel_stage(context, seed),
            KernelTrajectory,
            lambda: run_kernels(context, seed, trained),
            label=kernel_label(seed),
        )
        context.store.drop_kernels(kernel_stage(context, seed))
        if self.compute_missing:
            # T* is known now, so its arms are.
            with context.store.locked("folder"):
                self.update_manifest()
        return Trajectory(trained, kernel, *derive_geometry(context.spec, kernel))

    def update_manifest(self) -> None:
        """Write what the spec expects of all its seeds, with arms at T* as far as it is known."""
        spec = self.context.spec
        planned = (expected_stages(self.context, s, self._known_arms(s)) for s in spec.seeds)
        update_manifest(self.context.store, list(chain.from_iterable(planned)))

    def _known_arms(self, seed: int) -> list[Arm] | None:
        store = self.context.store
        try:
            trained = store.result(train_stage(self.context, seed))
            kernel = store.result(kernel_stage(self.context, seed))
            if trained is None or kernel is None:
                return None
            measured = KernelTrajectory.model_validate(kernel.value)
            geometry = derive_geometry(self.context.spec, measured)
            return Trajectory(Trained.model_validate(trained.value), measured, *geometry).arms(
                self.context
            )
        except ValidationError:
            return None

    def arm(self, seed: int, arm: Arm, rate: Rate) -> ArmEnd:
        """How an arm of a seed ended with one learning rate."""
        return self._result(
            arm_stage(self.context, seed, arm, rate),
            ArmEnd,
            partial(run_arm, self.context, seed, arm, rate),
            label=arm_label(seed, arm, rate),
        )

    def comparisons(self, seed: int, copy: PerturbedCopy) -> Comparisons:
        """How far a perturbed copy of a seed came from ordinary training."""
        return self._result(
            copy_stage(self.context, seed, copy),
            Comparisons,
            partial(run_copy, self.context, seed, copy),
            label=copy_label(seed, copy),
        )

    def _result(
        self,
        stage: Stage,
        kind: type[ResultT],
        compute: Callable[[], ResultT],
        *,
        label: str,
        is_whole: Callable[[ResultT], bool] = lambda _: True,
    ) -> ResultT:
        """The stored result of a stage, else a computed one.

        `is_whole` says of a stored result whether the files it speaks of are still there. Raises a
        StageFailedError where the stage failed, in this process or in another one.
        """
        store, progress = self.context.store, self.context.progress
        stored = self._usable(stage, kind, is_whole)
        if stored is None:
            reason = store.failure(stage)
            if reason is None:
                if not self.compute_missing:
                    raise NotFinishedError
                progress.stage(label, note=self._why(stage, label))
                reason = self._compute(stage, compute, label)
            # Always through the stored form: a resumed run cannot differ from a straight one.
            stored = store.result(stage)
            if reason is not None or stored is None:
                self.failures[label] = reason or f"{label}: its result could not be read back"
                raise StageFailedError(self.failures[label])
        elif self.compute_missing and self.announce_stored:
            progress.stage(label, cached=True)
        if self.compute_missing:
            store.drop_unfinished(stage)
        self.wall_seconds += stored.wall_seconds
        return kind.model_validate(stored.value)

    def _compute(self, stage: Stage, compute: Callable[[], BaseModel], label: str) -> str | None:
        """Compute a stage and store its result; returns, and stores, why it failed if it did."""
        store, spent = self.context.store, stopwatch(self.context.store, stage)
        try:
            value = compute().model_dump()
        except RunError as error:
            reason = str(error)
        except ConebenchError:
            raise
        except Exception as error:  # noqa: BLE001  # memory runs out, a library refuses
            reason = f"{label}: {first_line(error)}"
        else:
            store.save_result(stage, StageResult(value, spent()))
            return None
        # What an interrupt made of a library is not this stage's failure.
        stop_if_interrupted()
        store.save_failure(stage, reason)
        return reason

    def _why(self, stage: Stage, label: str) -> str:
        """Why a stage does not begin at its beginning, or not for the first time."""
        planned = read_manifest(self.context.store).find(label)
        stale = f"stale: {planned.stale}" if planned and planned.stale else ""
        # Checkpoints alone are no place to take training up.
        steps = self.context.store.stored_steps(stage, "unfinished", "kernels")
        resumed = f"resumed at step {steps[-1]}" if steps else ""
        return "; ".join(filter(None, (stale, resumed)))

    def _usable(
        self, stage: Stage, kind: type[ResultT], is_whole: Callable[[ResultT], bool]
    ) -> StageResult | None:
        stored = self.context.store.result(stage)
        try:
            usable = stored is not None and is_whole(kind.model_validate(stored.value))
        except ValidationError:
            usable = False
        return stored if usable else None
