"""How much memory a kernel may take, and how much a network's graph takes for one sample."""

import os
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from conebench.entk.capture import capture

SHARE_OF_FREE = 4


def default_memory_limit(device: torch.device) -> int:
    """A quarter of the free memory in bytes, rounded down to a power of two.

    Rounded, so that the plan and with it the last bits of a kernel do not follow every change of
    what else runs on the machine.
    """
    on_gpu = device.type == "cuda"
    free = torch.cuda.mem_get_info(device)[0] if on_gpu else _free_bytes()
    return 1 << max(20, (free // SHARE_OF_FREE).bit_length() - 1)


def _free_bytes() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123  # a device of Linux
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def graph_numbers(frozen: nn.Module, modules: Sequence[str], pair: Tensor) -> int:
    """Numbers that a forward pass keeps for its backward passes, for one sample."""
    own = {t.untyped_storage().data_ptr() for t in (*frozen.parameters(), *frozen.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        captured = capture(frozen, modules, pair)
    # Inputs of layers stay even where the graph does not need them.
    for x in captured.inputs.values():
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
    return -(-sum(kept.values()) // (len(pair) * pair.element_size()))
