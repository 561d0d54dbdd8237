"""A Ray worker's part: one task at a time, its results in the shared run directory.

Knows nothing of Ray but the process that it runs in.
"""

import socket
import time
import warnings
from collections.abc import Callable

import torch

from conebench.errors import ConebenchError, DeviceMissingError, StorageError
from conebench.runner.executors.schedule import Task, trajectory_stages
from conebench.runner.stages.context import Context, RunOptions, open_context
from conebench.runner.stages.device import choose_device, device_name
from conebench.runner.stages.progress import Message, SentProgress
from conebench.runner.stages.results import Stages
from conebench.spec import Spec
from conebench.storage.store import Stage, Store

# File systems of clusters may hide for a minute what another node has just written.
SECONDS_TO_SEE = 90.0
SECONDS_BETWEEN_LOOKS = 0.5

# What this process worked at last: its next task is of the same spec more often than not.
_opened: tuple[Spec, RunOptions, Context] | None = None


def perform(
    send: Callable[[Message], object],
    spec: Spec,
    options: RunOptions,
    threads: int,
    device: str,
    task: Task,
) -> tuple[list[Task], ConebenchError | None]:
    """Do a task with so many threads on a device of this name.

    Returns what follows from it, and why it failed if it did.
    """
    # What libraries warn of was shown by the checks before the run.
    warnings.simplefilter("ignore")
    torch.set_num_threads(threads)
    try:
        check_device(device, device_name(choose_device(options.device.type)))  # type: ignore[arg-type]
        stages = Stages(_context(spec, options, send))
        wait_to_see(stages.context.store, _needed(stages, task))
        return task.perform(stages), None
    except ConebenchError as error:
        return [], error


def check_device(expected: str, found: str) -> None:
    """Raise a DeviceMissingError where this node computes on another device than the driver's."""
    if found != expected:
        raise DeviceMissingError(
            f"--executor ray: node {socket.gethostname()} computes on {found}, this machine on "
            f"{expected}; expected one kind of device, the one that a record names"
        )


def _context(spec: Spec, options: RunOptions, send: Callable[[Message], object]) -> Context:
    global _opened  # noqa: PLW0603  # the data are read once a process
    data = None
    if _opened is not None and _opened[:2] == (spec, options):
        data = _opened[2].data
    context = open_context(spec, options, SentProgress(send), data)
    _opened = spec, options, context
    return context


def _needed(stages: Stages, task: Task) -> list[Stage]:
    """The stages that a task reads."""
    if task.is_trajectory:
        return []
    outputs = [found for need in task.needs for found in need.outputs(stages)]
    return [stage for _, stage in trajectory_stages(stages.context, task.seed) + outputs]


def wait_to_see(store: Store, stages: list[Stage]) -> None:
    """Wait until the end of stages that have ended, elsewhere perhaps, is seen from here.

    Raises a StorageError where that takes too long.
    """
    deadline = time.monotonic() + SECONDS_TO_SEE
    for stage in stages:
        while not store.has_result(stage) and store.failure(stage) is None:
            if time.monotonic() > deadline:
                raise StorageError(
                    f"{store.folder}: {stage.file_stem} was finished, but {socket.gethostname()} "
                    f"does not see it after {SECONDS_TO_SEE:g} s; expected a file system that "
                    "all nodes share"
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)
