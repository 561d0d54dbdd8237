"""Errors of kernels that cannot be built."""


class KernelError(ValueError):
    """A kernel that cannot be built; the message says why."""


class MemoryLimitError(KernelError):
    """A memory limit that is too small; the message says what is needed."""
