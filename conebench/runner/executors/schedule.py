"""Stages of a run that may begin, for executors that compute several at once.

The record's own order decides. `gather_seed` asks for every stage that it needs, and those that
neither have a result nor were begun may begin. A control is asked for only after the arms from
which its learning rate is chosen.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from conebench.errors import StageFailedError
from conebench.runner.assembly import gather_seed
from conebench.runner.stages.base import ResultT, Stage
from conebench.runner.stages.planned import Trajectory
from conebench.runner.stages.results import NotFinishedError, Stages

AnyStage = Stage[Any]


@dataclass
class Schedule(Stages):
    """Stored results of a run, and the stages that may begin."""

    compute_missing: bool = False
    _missing: list[AnyStage] = field(default_factory=list)
    _running: set[AnyStage] = field(default_factory=set)
    # File names: arms that do the same work share a stage.
    _begun: set[str] = field(default_factory=set)
    _results: dict[AnyStage, Any] = field(default_factory=dict)
    _trajectories: dict[int, Trajectory] = field(default_factory=dict)

    def ready(self, seed: int) -> list[AnyStage]:
        """Begin the stages of a seed that may begin now, and return them."""
        self._missing = []
        with suppress(StageFailedError):
            gather_seed(self, seed)
        return self._missing

    def after(self, stage: AnyStage) -> list[AnyStage]:
        """Begin the stages that may begin after this one has finished or failed."""
        self._running.discard(stage)
        return self.ready(stage.seed)

    def result(self, stage: Stage[ResultT]) -> ResultT:
        """Return the stored result of a stage. Raise a StageFailedError if there is none."""
        # Raised also for a stage that has not ended: `gather_seed` then goes on to the others.
        not_ended = StageFailedError(stage.seed, stage.name, f"{stage.label}: has not ended")
        if stage in self._running:
            raise not_ended
        if stage not in self._results:
            stem = stage.key(self.context).file_stem
            try:
                self._results[stage] = super().result(stage)
            except NotFinishedError:
                if stem not in self._begun:
                    self._begun.add(stem)
                    self._running.add(stage)
                    self._missing.append(stage)
                raise not_ended from None
            if stem not in self._begun:
                self.context.progress.stage(stage.label, cached=True)
        result: ResultT = self._results[stage]
        return result

    def trajectory(self, seed: int) -> Trajectory:
        """Return the trajectory of a seed, derived once."""
        if seed not in self._trajectories:
            self._trajectories[seed] = super().trajectory(seed)
        return self._trajectories[seed]
