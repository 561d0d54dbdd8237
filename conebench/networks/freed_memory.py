"""Memory that was freed and that the process still holds."""

import ctypes


def return_freed_memory() -> None:
    """Return memory that was freed to the system, where the C library can."""
    # Only glibc has it. Freed memory that it keeps is in pieces too small for a kernel's tensors.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
