"""Ctrl-C is not lost, whatever a library makes of it."""

import io
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from rich.console import Console
from tiny_runs import run, tiny_spec

from conebench.cli.display import open_progress
from conebench.interrupts import second_interrupt_ends_at_once, stop_if_interrupted


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("move", ["stage", "advance"])
def test_an_interrupt_that_was_swallowed_stops_the_run_at_its_next_move(
    move: str, *, terminal: bool
) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal)
    with (
        second_interrupt_ends_at_once(console.show_cursor),
        open_progress(console, "tiny") as progress,
    ):
        progress.stage("before")
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            progress.stage("next") if move == "stage" else progress.advance(1.0)
    # It was this run that was interrupted: what follows is not.
    stop_if_interrupted()
    with (
        second_interrupt_ends_at_once(console.show_cursor),
        open_progress(console, "tiny") as progress,
    ):
        progress.stage("again")
        progress.advance(1.0)


def test_an_interrupt_that_became_another_error_is_no_failure_of_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = torch.optim.SGD.step
    to_interrupt = [os.getpid()]

    def interrupted(optimizer: torch.optim.SGD) -> None:
        # Of the last layer alone: a probe, so that the checks before training pass.
        if to_interrupt and len(optimizer.param_groups[0]["params"]) == 2:
            with suppress(KeyboardInterrupt):
                os.kill(to_interrupt.pop(), signal.SIGINT)
            raise RuntimeError("a library was interrupted")
        step(optimizer)

    monkeypatch.setattr(torch.optim.SGD, "step", interrupted)
    with second_interrupt_ends_at_once(list), pytest.raises(KeyboardInterrupt):
        run(tiny_spec(seeds=[0]), tmp_path)
    assert list(tmp_path.rglob("failed/*")) == []
