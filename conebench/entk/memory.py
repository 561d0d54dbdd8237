"""Memory for a kernel, and memory of a graph."""

import os
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

SHARE_OF_FREE = 4


def default_memory_limit(device: torch.device) -> int:
    """Return about a quarter of the free memory.

    Args:
        device: CPU or CUDA device.

    Returns:
        Bytes, rounded down to a power of two, at least 2^20.

    Example:
        >>> default_memory_limit(torch.device("cpu")).bit_count()
        1

    """
    # Rounded, or the plan and with it the last bits of a kernel would follow every change of what
    # else runs on the machine.
    on_gpu = device.type == "cuda"
    free = torch.cuda.mem_get_info(device)[0] if on_gpu else _free_bytes()
    return 1 << max(20, (free // SHARE_OF_FREE).bit_length() - 1)


def _free_bytes() -> int:
    """Return available memory on Linux, else all memory."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123  # a device of Linux
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class GraphMeter(saved_tensors_hooks):
    """Counter of the bytes that forward passes keep.

    A context manager. Tensors of the network itself are not counted.

    Example:
        The inputs [5, 3] and outputs [5, 2] of four bytes each are kept.

        >>> layer = torch.nn.Linear(3, 2)
        >>> meter = GraphMeter(layer.parameters())
        >>> with meter:
        ...     y = layer(torch.ones(5, 3)).tanh()
        >>> meter.kept_bytes
        100

    """

    def __init__(self, own: Iterable[Tensor]) -> None:
        super().__init__(self._pack, _unpack)
        self._own = {tensor.untyped_storage().data_ptr() for tensor in own}
        self._kept: dict[int, int] = {}

    def add(self, tensor: Tensor) -> None:
        """Count one more tensor."""
        if tensor.layout is not torch.strided:
            tensor = tensor._values() if tensor.is_sparse else tensor.values()
        # By storage, so that views of one tensor count once.
        storage = tensor.untyped_storage()
        try:
            place = storage.data_ptr()
        except RuntimeError:
            # A dual tensor's inside a function transform; what it holds is counted elsewhere.
            return
        if place not in self._own:
            self._kept[place] = storage.nbytes()

    @property
    def kept_bytes(self) -> int:
        """Bytes kept so far."""
        return sum(self._kept.values())

    def _pack(self, tensor: Tensor) -> tuple[Tensor, int]:
        self.add(tensor)
        return tensor, tensor._version


def _unpack(packed: tuple[Tensor, int]) -> Tensor:
    """Return a tensor that the graph kept, unless it was changed, as autograd itself does."""
    tensor, version = packed
    if tensor._version != version:
        raise RuntimeError(
            "a tensor that the graph keeps has been modified by an inplace operation"
        )
    return tensor
