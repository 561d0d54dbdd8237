"""Stages on a Ray worker, one at a time; results go to the shared run folder.

Nothing here depends on Ray.
"""

import socket
import time
import warnings
from collections.abc import Callable, Sequence

import torch

from conebench.errors import ConebenchError, DeviceMissingError, StorageError
from conebench.runner.executors.schedule import AnyStage
from conebench.runner.stages.context import Context, RunOptions, open_context
from conebench.runner.stages.device import choose_device, device_name
from conebench.runner.stages.progress import Message, SentProgress
from conebench.runner.stages.results import Stages
from conebench.spec import Spec

# Network file systems may hide a file for a minute after another node has written it.
SECONDS_TO_SEE = 90.0
SECONDS_BETWEEN_LOOKS = 0.5

# The last context of this process: its next stage is most likely of the same spec.
_opened: tuple[Spec, RunOptions, Context] | None = None


def compute(
    send: Callable[[Message], object],
    spec: Spec,
    options: RunOptions,
    threads: int,
    device: str,
    stage: AnyStage,
) -> ConebenchError | None:
    """Compute a stage with this many threads on a device of this name. Return why it failed."""
    # The checks before the run have shown the warnings of libraries.
    warnings.simplefilter("ignore")
    torch.set_num_threads(threads)
    try:
        check_device(device, device_name(choose_device(options.device.type)))  # type: ignore[arg-type]
        stages = Stages(_context(spec, options, send))
        wait_for(stages.context, stage.needs)
        stages.result(stage)
    # Returned, not raised: Ray would wrap it.
    except ConebenchError as error:
        return error
    return None


def check_device(expected: str, found: str) -> None:
    """Raise a DeviceMissingError if this node's device is not the driver's."""
    if found != expected:
        raise DeviceMissingError(
            f"--executor ray: node {socket.gethostname()} computes on {found}, this machine on "
            f"{expected}; expected one kind of device, the one that a record names"
        )


def _context(spec: Spec, options: RunOptions, send: Callable[[Message], object]) -> Context:
    global _opened  # noqa: PLW0603  # each process reads the data once
    data = None
    if _opened is not None and _opened[:2] == (spec, options):
        data = _opened[2].data
    context = open_context(spec, options, SentProgress(send), data)
    _opened = spec, options, context
    return context


def wait_for(context: Context, stages: Sequence[AnyStage]) -> None:
    """Wait until this node sees that stages have ended, here or elsewhere.

    Raises a StorageError after SECONDS_TO_SEE.
    """
    store, deadline = context.store, time.monotonic() + SECONDS_TO_SEE
    for key in [stage.key(context) for stage in stages]:
        while not store.has_result(key) and store.failure(key) is None:
            if time.monotonic() > deadline:
                raise StorageError(
                    f"{store.folder}: {key.file_stem} was finished, but {socket.gethostname()} "
                    f"does not see it after {SECONDS_TO_SEE:g} s; expected a file system that "
                    "all nodes share"
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)
