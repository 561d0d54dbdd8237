"""Results of stages: each is computed once, then read from its file."""

from dataclasses import asdict, dataclass, field
from typing import Any

from conebench.errors import ConebenchError, RunError, StageFailedError
from conebench.interrupts import stop_if_interrupted, termination_held_back
from conebench.runner.stages.base import ResultT, Stage, stored_result
from conebench.runner.stages.code import Code
from conebench.runner.stages.context import Context
from conebench.runner.stages.kernels import KernelStage
from conebench.runner.stages.planned import Trajectory, trajectory_of, write_plan
from conebench.runner.stages.resume import stopwatch
from conebench.runner.stages.training import TrainStage, all_whole_or_set_aside
from conebench.storage.manifest import read_manifest
from conebench.storage.store import StageKey, StageResult
from conebench.text import first_line


class NotFinishedError(Exception):
    """A stage has no stored result, and is not to be computed."""


@dataclass
class Stages:
    """Results of the stages of a run, stored or computed."""

    context: Context
    compute_missing: bool = True
    announce_stored: bool = True
    # Time that they took, in all processes.
    wall_seconds: float = 0.0
    # Code that they were computed by, each once; None if it is not known.
    codes: list[Code | None] = field(default_factory=list)
    # Why stages failed, by label.
    failures: dict[str, StageFailedError] = field(default_factory=dict)

    def result(self, stage: Stage[ResultT]) -> ResultT:
        """Return the stored result of a stage. Compute it if there is none.

        Raises a StageFailedError if the stage failed, in this process or in another one; a
        NotFinishedError if there is no result and missing ones are not to be computed.
        """
        key = stage.key(self.context)
        found = stored_result(self.context, stage)
        if found is None or not all_whole_or_set_aside(stage.files(self.context, found.value)):
            with termination_held_back():
                self._compute(stage, key)
            # Always through the stored form: a resumed run cannot differ from one without a stop.
            found = stored_result(self.context, stage)
            if found is None:
                raise self._failed(stage, f"{stage.label}: its result could not be read back")
        elif self.compute_missing and self.announce_stored:
            self.context.progress.stage(stage.label, cached=True)
        self.context.store.drop_unfinished(key)
        self.wall_seconds += found.wall_seconds
        if found.code not in self.codes:
            self.codes.append(found.code)
        return found.value

    def trajectory(self, seed: int) -> Trajectory:
        """Return ordinary training of a seed, its kernels, and what follows from them."""
        trained = self.result(TrainStage(seed))
        return trajectory_of(self.context.spec, trained, self.result(KernelStage(seed)))

    def _compute(self, stage: Stage[Any], key: StageKey) -> None:
        """Compute the result of a stage and store it, or why the stage failed."""
        context, store = self.context, self.context.store
        reason = store.failure(key)
        if reason is not None:
            raise self._failed(stage, reason)
        if not self.compute_missing:
            raise NotFinishedError
        context.progress.stage(stage.label, note=self._note(stage, key))
        spent = stopwatch(store, key)
        code = None if store.continues_older(key) else asdict(context.code)
        try:
            result = stage.compute(context)
        except RunError as error:
            reason = str(error)
        except ConebenchError:
            # Errors of the disk or of the input are not this stage's: they end the run.
            raise
        except Exception as error:  # noqa: BLE001  # memory runs out, a library refuses
            reason = f"{stage.label}: {first_line(error)}"
        else:
            store.save_result(key, StageResult(result.model_dump(), spent(), code))
            diverged_at = getattr(result, "diverged_at", None)
            if diverged_at is not None:
                context.progress.stage(stage.label, note=f"diverged at step {diverged_at:,}")
            # T* is known from here on, so the plan now has the arms at their own steps.
            if stage.decides_arms:
                with store.locked("folder"):
                    write_plan(context)
            return
        # An error that a library made of an interrupt is not this stage's failure.
        stop_if_interrupted()
        store.save_failure(key, reason)
        raise self._failed(stage, reason)

    def _failed(self, stage: Stage[Any], reason: str) -> StageFailedError:
        error = StageFailedError(stage.seed, stage.name, reason)
        self.failures[stage.label] = error
        return error

    def _note(self, stage: Stage[Any], key: StageKey) -> str:
        """Say why a stage runs again, and where it resumes."""
        planned = read_manifest(self.context.store).find(stage.label)
        stale = f"stale: {planned.stale}" if planned and planned.stale else ""
        # Training does not resume from checkpoints alone.
        steps = self.context.store.stored_steps(key, "unfinished", "kernels")
        resumed = f"resumed at step {steps[-1]}" if steps else ""
        return "; ".join(filter(None, (stale, resumed)))
