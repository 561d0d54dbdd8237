"""Interrupts by Ctrl-C that no library can swallow."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from conebench.errors import ExitCode

_interrupted = threading.Event()


def stop_if_interrupted() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed before."""
    # An interrupted library may swallow the exception or turn it into an error of its own.
    if _interrupted.is_set():
        raise KeyboardInterrupt


@contextmanager
def stopping_if_interrupted() -> Iterator[None]:
    """Turn errors inside the context into KeyboardInterrupt after Ctrl-C."""
    try:
        yield
    except Exception:
        stop_if_interrupted()
        raise


@contextmanager
def second_interrupt_ends_at_once(before_the_end: Callable[[], object]) -> Iterator[None]:
    """Raise KeyboardInterrupt at the first Ctrl-C, end the process at the second.

    `before_the_end` is called last; nothing else is tidied up then.
    """

    def end(*_: object) -> None:
        before_the_end()
        os._exit(ExitCode.INTERRUPTED)

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, end)
        _interrupted.set()
        raise KeyboardInterrupt

    # A process that was started in the background ignores interrupts, and must still do so.
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        _interrupted.clear()
        # After a first interrupt the handler stays, so that a second one still ends the process.
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, before)
