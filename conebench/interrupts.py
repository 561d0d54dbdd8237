"""Ctrl-C is not lost, whatever a library makes of it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from conebench.errors import ExitCode

_interrupted = threading.Event()


def stop_if_interrupted() -> None:
    """Raise KeyboardInterrupt where Ctrl-C came before.

    A library that is interrupted may swallow the exception, or make an error of its own of it.
    """
    if _interrupted.is_set():
        raise KeyboardInterrupt


@contextmanager
def stopping_if_interrupted() -> Iterator[None]:
    """Raise KeyboardInterrupt in place of what is raised in here, where Ctrl-C came before."""
    try:
        yield
    except Exception:
        stop_if_interrupted()
        raise


@contextmanager
def second_interrupt_ends_at_once(before_the_end: Callable[[], object]) -> Iterator[None]:
    """The first Ctrl-C raises KeyboardInterrupt as ever; one more ends the process.

    `before_the_end` is called last; nothing else is tidied up then.
    """

    def end(*_: object) -> None:
        before_the_end()
        os._exit(ExitCode.INTERRUPTED)

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, end)
        _interrupted.set()
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        _interrupted.clear()
        # After an interrupt, one more ends the process while it winds up, too.
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, before)
