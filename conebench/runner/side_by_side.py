"""Stages side by side: several processes on one device, each with its share of the threads.

Small networks leave a device waiting for the next call; the arms of a seed are independent of each
other. Results go through the store as they do in one process, so they are the same.
"""

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing.queues import Queue
from queue import Empty
from typing import Any

import torch

from conebench.errors import ConebenchError, RunError, StageFailedError
from conebench.record.arms import Arm, Rate
from conebench.runner.arms import arm_stage
from conebench.runner.chaos import PerturbedCopy
from conebench.runner.context import Context, RunOptions, open_context
from conebench.runner.device import choose_device
from conebench.runner.progress import Progress
from conebench.runner.stages import Stages
from conebench.spec import Spec

SECONDS_BETWEEN_LOOKS = 0.5

# One stage, for a worker to fill the store with.
Task = partial[None]
Message = tuple[str, tuple[Any, ...], dict[str, Any]]


def run_side_by_side(context: Context, options: RunOptions, seeds: list[int]) -> None:
    """Fill the store with the stages of these seeds, `options.jobs` at a time.

    A control whose learning rate is still to be chosen is left out. A stage that fails leaves its
    reason in the store; raises what else a stage raised, and the others are then stopped.
    """
    spawn = multiprocessing.get_context("spawn")
    messages: Queue[Message] = spawn.Queue()
    # Free memory may have changed since the checks: every kernel is built as they planned it.
    options = replace(options, kernel_memory=context.kernel_memory)
    share = (context.spec, options, torch.get_num_threads(), messages)
    pool = ProcessPoolExecutor(options.jobs, spawn, initializer=_start, initargs=share)
    waiting: set[Future[list[Task] | None]] = {pool.submit(_trajectory, seed) for seed in seeds}
    try:
        while waiting:
            done, waiting = wait(waiting, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
            _pass_on(messages, context.progress)
            for future in done:
                with suppress(StageFailedError):
                    waiting |= {pool.submit(task) for task in future.result() or ()}
    except BrokenProcessPool:
        raise RunError(
            "--jobs: a process ended abruptly, for want of memory perhaps; the same command goes on"
        ) from None
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    _pass_on(messages, context.progress)


def _pass_on(messages: "Queue[Message]", progress: Progress) -> None:
    while True:
        try:
            method, args, kwargs = messages.get_nowait()
        except Empty:
            return
        getattr(progress, method)(*args, **kwargs)


class _SentProgress:
    """Progress of a worker, sent to the process that shows it."""

    def __init__(self, messages: "Queue[Message]") -> None:
        self._messages = messages

    def plan(self, work: float) -> None:
        """Not a worker's to say."""

    def stage(self, name: str, *, cached: bool = False, note: str = "") -> None:
        """Sent on."""
        self._messages.put(("stage", (name,), {"cached": cached, "note": note}))

    def advance(self, work: float) -> None:
        """Sent on."""
        self._messages.put(("advance", (work,), {}))


_worker: Stages
_failure: ConebenchError | None = None


def _start(spec: Spec, options: RunOptions, threads: int, messages: "Queue[Message]") -> None:
    """Make this process a worker; what fails is raised by its first task."""
    global _worker, _failure  # noqa: PLW0603  # a pool hands its workers nothing else
    # An interrupt reaches the whole group: the first process stops the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout = sys.stderr
    # What libraries warn of was shown by the checks before the run.
    warnings.simplefilter("ignore")
    torch.set_num_threads(threads)
    try:
        choose_device("cuda" if options.device.type == "cuda" else "cpu")
        _worker = Stages(open_context(spec, options, _SentProgress(messages)))
    except ConebenchError as error:
        _failure = error


def _ready() -> Stages:
    if _failure is not None:
        raise _failure
    return _worker


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _trajectory(seed: int) -> list[Task] | None:
    """Train a seed and measure its kernels; what can then be done, each stage once."""
    stages = _ready()
    context = stages.context
    found = stages.trajectory(seed)
    tasks: dict[str, Task] = {}
    for arm in found.arms(context):
        if arm.kind != "control" or len(arm.rates) == 1:
            for rate in arm.rates:
                stage = arm_stage(context, seed, arm, rate)
                tasks.setdefault(stage.file_stem, partial(_arm, seed, arm, rate))
    return [*tasks.values(), *(partial(_copy, seed, copy) for copy in found.copies(context))]


def _arm(seed: int, arm: Arm, rate: Rate) -> None:
    _ready().arm(seed, arm, rate)


def _copy(seed: int, copy: PerturbedCopy) -> None:
    _ready().comparisons(seed, copy)
