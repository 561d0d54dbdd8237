"""How much memory a kernel may take, and how much a network's graph takes."""

import os

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

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


class GraphMeter(saved_tensors_hooks):
    """Counts what forward passes within it keep for their backward passes.

    What belongs to the network, its parameters and buffers, is not counted.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(self._pack, lambda tensor: tensor)
        tensors = (*network.parameters(), *network.buffers())
        self._own = {tensor.untyped_storage().data_ptr() for tensor in tensors}
        self._kept: dict[int, int] = {}

    def add(self, tensor: Tensor) -> None:
        """Count one tensor more; storage that is met again counts once."""
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._own:
            self._kept[storage.data_ptr()] = storage.nbytes()

    @property
    def kept_bytes(self) -> int:
        """Bytes kept so far."""
        return sum(self._kept.values())

    def _pack(self, tensor: Tensor) -> Tensor:
        self.add(tensor)
        return tensor
