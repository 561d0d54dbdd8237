"""What a run tells of itself while it works; the command line shows it."""

from typing import Protocol


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
