"""Errors that conebench raises on purpose, with their exit codes.

ConebenchError
├── InputError        1   a spec or a record is not valid
│   ├── SpecError
│   └── RecordError
├── RunError          2   a run or one of its stages failed
│   ├── KernelError           a network has no kernel or no linearization
│   │   └── MemoryLimitError
│   └── StageFailedError
└── UnmetNeedError    3   the machine lacks something: data, a network, a device, disk
    ├── DataMissingError
    ├── DeviceMissingError
    └── StorageError

A message is one line: the place, what is there, and what is expected or what to do.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command."""

    OK = 0
    BAD_INPUT = 1
    RUN_FAILED = 2
    ENVIRONMENT = 3
    INTERRUPTED = 130
    TERMINATED = 143


class ConebenchError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = ExitCode.RUN_FAILED


class InputError(ConebenchError):
    """Something the user wrote is not valid."""

    exit_code = ExitCode.BAD_INPUT


class SpecError(InputError):
    """A spec is not valid; one line per problem, `file:line: field: got X, expected Y`.

    `field` is the dotted name of the field at fault, empty if the message names no field. `parts`
    are the errors of several fields.
    """

    def __init__(
        self, message: str, *, field: str = "", parts: tuple["SpecError", ...] = ()
    ) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field, self.parts = field, parts


class RecordError(InputError):
    """A record cannot be read, or is not valid."""


class RunError(ConebenchError):
    """A run, or one of its stages, failed."""


class KernelError(RunError, ValueError):
    """A network or inputs that have no kernel or linearization; the message says why."""


class MemoryLimitError(KernelError):
    """A memory limit that is too small for a kernel; the message says what is needed."""


class StageFailedError(RunError):
    """A stage of a seed failed; stages that do not need it go on."""

    def __init__(self, seed: int, stage: str, reason: str) -> None:
        # All of them, so that other processes can send it back.
        super().__init__(seed, stage, reason)
        self.seed, self.stage, self.reason = seed, stage, reason

    def __str__(self) -> str:
        return self.reason


class UnmetNeedError(ConebenchError):
    """The machine lacks something the run needs."""

    exit_code = ExitCode.ENVIRONMENT


class DataMissingError(UnmetNeedError):
    """A dataset or pretrained weights are not here and cannot be downloaded."""


class DeviceMissingError(UnmetNeedError):
    """The requested device is missing."""


class StorageError(UnmetNeedError):
    """A file cannot be written or read: no space, no permission."""
