"""Several processes on one machine, each with its share of the threads.

Small networks leave a device waiting for the next call, and the arms of a seed are independent of
each other. Results go through the store as they do in one process, so they are the same. With
several GPUs, the processes take them in turn.
"""

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from multiprocessing.queues import Queue
from queue import Empty
from typing import TYPE_CHECKING

import torch

from conebench.errors import ConebenchError, RunError, StageFailedError
from conebench.interrupts import stop_if_terminated
from conebench.runner.executors.schedule import AnyStage, Schedule
from conebench.runner.stages.context import Context, RunOptions, open_context
from conebench.runner.stages.device import choose_device, visible_gpu
from conebench.runner.stages.progress import Message, Progress, SentProgress
from conebench.runner.stages.results import Stages
from conebench.spec import Spec

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

SECONDS_BETWEEN_LOOKS = 0.5


def run_side_by_side(context: Context, options: RunOptions, seeds: list[int]) -> None:
    """Compute the missing stages of these seeds, `options.jobs` at a time.

    A stage that fails leaves its reason in the store. Any other error stops the others.
    """
    schedule = Schedule(context)
    first = [stage for seed in seeds for stage in schedule.ready(seed)]
    if not first:
        return
    # Not forked: CUDA and threads of torch do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    messages: Queue[Message] = spawn.Queue()
    # Free memory may have changed since the checks; kernels are built as these planned them.
    options = replace(options, kernel_memory=context.kernel_memory)
    share = (context.spec, options, torch.get_num_threads(), spawn.Value("i", 0), messages)
    pool = ProcessPoolExecutor(options.jobs, spawn, initializer=_start, initargs=share)
    waiting = {pool.submit(_compute, stage): stage for stage in first}
    try:
        while waiting:
            done, _ = wait(waiting, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
            _pass_on(messages, context.progress)
            for future in done:
                with suppress(StageFailedError):
                    future.result()
                for stage in schedule.after(waiting.pop(future)):
                    waiting[pool.submit(_compute, stage)] = stage
    except BrokenProcessPool:
        # A scheduler sends its signal to every process of a job.
        stop_if_terminated()
        raise RunError(
            "--jobs: a process ended abruptly, perhaps out of memory; run the same command to "
            "continue"
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


_worker: Stages
_failure: ConebenchError | None = None


def _start(
    spec: Spec,
    options: RunOptions,
    threads: int,
    started: "Synchronized[int]",
    messages: "Queue[Message]",
) -> None:
    """Make this process a worker. An error is raised by its first stage."""
    global _worker, _failure  # noqa: PLW0603  # a pool gives its workers nothing else
    # An interrupt reaches all processes; the first one stops the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # stdout is for results, and a library may print.
    sys.stdout = sys.stderr
    # The checks before the run have shown the warnings of libraries.
    warnings.simplefilter("ignore")
    torch.set_num_threads(threads)
    with started.get_lock():
        index, started.value = started.value, started.value + 1
    try:
        if options.device.type == "cuda":
            _take_gpu(index)
        choose_device("cuda" if options.device.type == "cuda" else "cpu")
        _worker = Stages(open_context(spec, options, SentProgress(messages.put)))
    except ConebenchError as error:
        _failure = error


def _take_gpu(index: int) -> None:
    """Choose one GPU for this process, before CUDA is first used here."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpu = visible_gpu(index, torch.cuda.device_count(), visible)
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu


def _ready() -> Stages:
    if _failure is not None:
        raise _failure
    return _worker


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _compute(stage: AnyStage) -> None:
    _ready().result(stage)
