"""conebench.networks.freed_memory: freed memory leaves the process."""

import platform
from pathlib import Path

import pytest
import torch

from conebench.networks.freed_memory import return_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back")
def test_memory_that_was_freed_goes_back_to_the_system() -> None:
    # 120 MB in blocks that are not mapped one by one; the last one keeps the heap from shrinking.
    blocks = [torch.ones(30_000) for _ in range(1000)]
    del blocks[:-1]
    before = resident_bytes()
    return_freed_memory()
    assert before - resident_bytes() > 60_000_000


def resident_bytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])
