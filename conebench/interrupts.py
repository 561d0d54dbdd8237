"""Interrupts by Ctrl-C that no library can swallow, and SIGTERM, which waits for a stored state."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from conebench.errors import ExitCode

_interrupted = threading.Event()
_terminated = threading.Event()
# Set while a stage computes, which ends only where its state is stored.
_held = threading.Event()


class Terminated(KeyboardInterrupt):
    """The process was told to end, and what it computed is stored."""


def stop_if_interrupted() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed before."""
    # An interrupted library may swallow the exception or turn it into an error of its own.
    if _interrupted.is_set():
        raise KeyboardInterrupt


@contextmanager
def stopping_if_interrupted() -> Iterator[None]:
    """Turn errors inside the context into KeyboardInterrupt after Ctrl-C or SIGTERM."""
    try:
        yield
    except Exception:
        stop_if_interrupted()
        stop_if_terminated()
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


def termination_asked() -> bool:
    """Return True if the process was told to end."""
    return _terminated.is_set()


def stop_if_terminated() -> None:
    """Raise Terminated if the process was told to end before."""
    if termination_asked():
        raise Terminated


@contextmanager
def termination_held_back() -> Iterator[None]:
    """Raise Terminated before or after the context, inside it only from `stop_if_terminated`."""
    stop_if_terminated()
    _held.set()
    try:
        yield
    finally:
        _held.clear()
    stop_if_terminated()


@contextmanager
def stored_at_signals(*numbers: signal.Signals) -> Iterator[list[signal.Signals]]:
    """Let each of these signals raise Terminated once the state is stored.

    Yields a list that receives the signals as they come. Handlers are restored at the end.
    """
    received: list[signal.Signals] = []

    def terminate(number: int, _: object) -> None:
        received.append(signal.Signals(number))
        _terminated.set()
        if not _held.is_set():
            raise Terminated

    before = {number: signal.signal(number, terminate) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _terminated.clear()
