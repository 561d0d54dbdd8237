"""Stages of a run that may begin, for executors that compute several at once.

The record's own order decides: `gather_seed` asks for every stage that it needs, and those that are
neither stored nor on their way may begin. A control whose learning rate is still to be chosen is
asked for once the arms that it is chosen among have ended.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from conebench.errors import StageFailedError
from conebench.runner.assembly import gather_seed
from conebench.runner.stages.base import ResultT, Stage
from conebench.runner.stages.context import Context
from conebench.runner.stages.planned import Trajectory
from conebench.runner.stages.results import NotFinishedError, Stages

AnyStage = Stage[Any]


class _NotYetError(StageFailedError):
    """A stage has not ended; as with one that failed, `gather_seed` goes on to others."""


@dataclass
class _Stored(Stages):
    """Stored results; `missing` collects the stages that were asked for and may begin."""

    missing: list[AnyStage] = field(default_factory=list)
    _begun: set[str] = field(default_factory=set)
    _running: set[AnyStage] = field(default_factory=set)
    _results: dict[AnyStage, Any] = field(default_factory=dict)
    _trajectories: dict[int, Trajectory] = field(default_factory=dict)

    def result(self, stage: Stage[ResultT]) -> ResultT:
        """Return the stored result of a stage; raise a StageFailedError if there is none yet."""
        if stage in self._running:
            raise self._not_yet(stage)
        if stage not in self._results:
            stem = stage.key(self.context).file_stem
            try:
                self._results[stage] = super().result(stage)
            except NotFinishedError:
                # Arms that do the same work share a stage.
                if stem not in self._begun:
                    self._begun.add(stem)
                    self._running.add(stage)
                    self.missing.append(stage)
                raise self._not_yet(stage) from None
            if stem not in self._begun:
                self.context.progress.stage(stage.label, cached=True)
        result: ResultT = self._results[stage]
        return result

    def trajectory(self, seed: int) -> Trajectory:
        """Return the trajectory of a seed, derived once."""
        if seed not in self._trajectories:
            self._trajectories[seed] = super().trajectory(seed)
        return self._trajectories[seed]

    def end(self, stage: AnyStage) -> None:
        """Look for the result of a stage from now on."""
        self._running.discard(stage)

    @staticmethod
    def _not_yet(stage: AnyStage) -> _NotYetError:
        return _NotYetError(stage.seed, stage.name, f"{stage.label}: not yet")


class Schedule:
    """Stages of the seeds of one run, in an order in which they may be computed."""

    def __init__(self, context: Context, seeds: Iterable[int]) -> None:
        self._seeds = seeds
        self._stored = _Stored(context, compute_missing=False)

    def first(self) -> list[AnyStage]:
        """Return the stages that may begin now."""
        return [stage for seed in self._seeds for stage in self._ready(seed)]

    def after(self, stage: AnyStage) -> list[AnyStage]:
        """Return the stages that may begin now that this one has ended, well or not."""
        self._stored.end(stage)
        return self._ready(stage.seed)

    def _ready(self, seed: int) -> list[AnyStage]:
        self._stored.missing = []
        with suppress(StageFailedError):
            gather_seed(self._stored, seed)
        return self._stored.missing
