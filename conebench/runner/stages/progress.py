"""Progress of a run, shown by the command line."""

from collections.abc import Callable
from typing import Any, Protocol

# A method of Progress and its arguments, on the way to the process that shows it.
Message = tuple[str, tuple[Any, ...], dict[str, Any]]


# Measurements of one stage at one step.
Row = dict[str, float | int | str | None]


class Progress(Protocol):
    """Receiver of progress; `work` is counted in passes of one image through the network."""

    def plan(self, work: float) -> None:
        """Add work to do. What earlier runs did is not counted."""

    def stage(self, name: str, *, cached: bool = False, note: str = "") -> None:
        """Name the stage that starts, or that an earlier run finished; `note` says why it runs."""

    def advance(self, work: float) -> None:
        """Count work as done."""

    def metrics(self, row: Row) -> None:
        """Receive measurements of one stage at one step."""


class SilentProgress:
    """Shows nothing."""

    def plan(self, work: float) -> None:
        pass

    def stage(self, name: str, *, cached: bool = False, note: str = "") -> None:
        pass

    def advance(self, work: float) -> None:
        pass

    def metrics(self, row: Row) -> None:
        pass


class SentProgress(SilentProgress):
    """Progress of a worker, sent to the process that shows it."""

    def __init__(self, send: Callable[[Message], object]) -> None:
        self._send = send

    def stage(self, name: str, *, cached: bool = False, note: str = "") -> None:
        self._send(("stage", (name,), {"cached": cached, "note": note}))

    def advance(self, work: float) -> None:
        self._send(("advance", (work,), {}))

    def metrics(self, row: Row) -> None:
        self._send(("metrics", (row,), {}))
