"""Errors of kernels that cannot be built."""

from conebench.errors import KernelError

__all__ = ["KernelError", "MemoryLimitError"]


class MemoryLimitError(KernelError):
    """A memory limit that is too small; the message says what is needed."""
