"""What a run tells of itself while it works; the command line shows it."""

from collections.abc import Callable
from typing import Any, Protocol

# A method of Progress and its arguments, on the way to the process that shows it.
Message = tuple[str, tuple[Any, ...], dict[str, Any]]


class Progress(Protocol):
    """Receives what happens; `work` is counted in passes of one image through the network."""

    def plan(self, work: float) -> None:
        """The run will take this much work; what earlier runs did is not counted."""

    def stage(self, name: str, *, cached: bool = False, note: str = "") -> None:
        """A stage begins, or was found finished from an earlier run; `note` says why anew."""

    def advance(self, work: float) -> None:
        """So much more work is done."""


class SilentProgress:
    """Shows nothing."""

    def plan(self, work: float) -> None:
        """Ignored."""

    def stage(self, name: str, *, cached: bool = False, note: str = "") -> None:
        """Ignored."""

    def advance(self, work: float) -> None:
        """Ignored."""


class SentProgress:
    """Progress of a worker, sent to the process that shows it."""

    def __init__(self, send: Callable[[Message], object]) -> None:
        self._send = send

    def plan(self, work: float) -> None:
        """Not a worker's to say."""

    def stage(self, name: str, *, cached: bool = False, note: str = "") -> None:
        """Sent on."""
        self._send(("stage", (name,), {"cached": cached, "note": note}))

    def advance(self, work: float) -> None:
        """Sent on."""
        self._send(("advance", (work,), {}))
