"""Ctrl-C is not lost, whatever a library makes of it."""

import io
import os
import signal
from contextlib import suppress

import pytest
from rich.console import Console

from conebench.cli.display import open_progress
from conebench.cli.exits import second_interrupt_ends_at_once


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("move", ["stage", "advance"])
def test_an_interrupt_that_was_swallowed_stops_the_run_at_its_next_move(
    move: str, *, terminal: bool
) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal)
    with second_interrupt_ends_at_once(), open_progress(console, "tiny") as progress:
        progress.stage("before")
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            progress.stage("next") if move == "stage" else progress.advance(1.0)
    # A later run is a new one.
    with second_interrupt_ends_at_once(), open_progress(console, "tiny") as progress:
        progress.stage("again")
        progress.advance(1.0)
