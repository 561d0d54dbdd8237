"""From errors to messages and exit codes, the same for every command."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from conebench.errors import ConebenchError, ExitCode


@contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """Show an error raised on purpose as its lines on stderr and leave with its exit code."""
    try:
        yield
    except ConebenchError as error:
        show_error(error)
        raise typer.Exit(error.exit_code) from None


_interrupted = threading.Event()


def stop_if_interrupted() -> None:
    """Raise KeyboardInterrupt where Ctrl-C came before.

    A library that is interrupted may swallow the exception, or make an error of its own of it.
    """
    if _interrupted.is_set():
        raise KeyboardInterrupt


@contextmanager
def second_interrupt_ends_at_once() -> Iterator[None]:
    """The first Ctrl-C raises KeyboardInterrupt as ever; one more ends the process."""

    def end(*_: object) -> None:
        Console(stderr=True).show_cursor()
        os._exit(ExitCode.INTERRUPTED)

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, end)
        _interrupted.set()
        raise KeyboardInterrupt

    _interrupted.clear()
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, before)


def show_error(error: ConebenchError) -> None:
    """The lines of an error, on stderr."""
    typer.echo(str(error), err=True)
