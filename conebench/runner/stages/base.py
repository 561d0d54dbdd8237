"""Interface of all kinds of stages, each a subclass in a file of its own.

`planned.py` lists the stages of a seed; `conebench.runner.assembly` puts their results into the
record.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from conebench.runner.stages.code import Code
from conebench.runner.stages.context import Context
from conebench.runner.stages.work import Sizes, Work
from conebench.spec import Spec
from conebench.storage.store import StageKey

ResultT = TypeVar("ResultT", bound=BaseModel)


@dataclass(frozen=True)
class Stage(ABC, Generic[ResultT]):
    """One cached computation of a run, for one seed."""

    seed: int

    # True if the arms of a seed are known only from the result.
    decides_arms: ClassVar[bool] = False

    @property
    @abstractmethod
    def result_type(self) -> type[ResultT]:
        """Type of the result."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """Kind of work; file names start with it."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name among the stages of the seed."""

    @property
    def label(self) -> str:
        """Name among the stages of the run."""
        return f"seed {self.seed}: {self.name}"

    @abstractmethod
    def key(self, context: Context) -> StageKey:
        """Return the file name, and all inputs that decide the result."""

    @abstractmethod
    def steps(self, spec: Spec) -> tuple[int, int]:
        """Return the first and the last training step."""

    @abstractmethod
    def work(self, sizes: Sizes) -> Work:
        """Count the work."""

    @abstractmethod
    def compute(self, context: Context) -> ResultT:
        """Compute the result, from where an earlier process stopped."""

    def files(self, context: Context, result: ResultT) -> list[Path]:  # noqa: ARG002
        """List the files that must be whole for the result to be of use."""
        return []


class StoredResult(NamedTuple, Generic[ResultT]):
    """Result of a stage, the seconds it took, and its code; None if that is not known."""

    value: ResultT
    wall_seconds: float
    code: Code | None


def stored_result(context: Context, stage: Stage[ResultT]) -> StoredResult[ResultT] | None:
    """Read the result of a stage. None if there is none."""
    stored = context.store.result(stage.key(context))
    if stored is None:
        return None
    try:
        value = stage.result_type.model_validate(stored.value)
        code = Code(**stored.code) if stored.code else None
        return StoredResult(value, stored.wall_seconds, code)
    except ValidationError:
        return None
