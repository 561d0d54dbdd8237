"""Resources that one stage needs, from the plan of its kernels."""

import math
from dataclasses import dataclass

import torch

from conebench.runner.stages.activation_memory import bytes_kept
from conebench.runner.stages.context import Context, state_bytes

# Memory of a process that has loaded torch, on the device that it computes on.
BASE_BYTES = 2**30
# Parameters, gradients, up to two numbers per parameter of the optimizer, and the anchor.
COPIES_OF_STATE = 5
# A linearized step also keeps tangents for its backward pass.
COPIES_OF_ACTIVATIONS = 3


@dataclass(frozen=True)
class Resources:
    """CPU threads, share of a GPU (0 on the CPU), and bytes of main memory."""

    cpus: int
    gpus: float
    memory: int

    def __str__(self) -> str:
        gpus = f", {self.gpus:g} of a GPU" if self.gpus else ""
        return f"{self.cpus} CPUs{gpus}, {self.memory / 2**30:.1f} GiB"


def resources_of(context: Context, kernel_bytes: int) -> Resources:
    """Return the resources one stage needs, given the peak memory of its kernels."""
    network = context.initial_network(context.spec.seeds[0])
    data = sum(images.pixels.numel() for images in (context.data.train, context.data.test))
    two_images = context.data.normalize(context.data.train.pixels[:2])
    activations = context.spec.training.batch_size * bytes_kept(network, two_images) // 2
    peak = stage_bytes(state_bytes(network), data, activations, kernel_bytes)
    threads = torch.get_num_threads()
    if context.device.type != "cuda":
        return Resources(threads, 0.0, peak)
    _, total = torch.cuda.mem_get_info(context.device)
    return Resources(threads, gpu_share(peak, total), BASE_BYTES)


def stage_bytes(state: int, data: int, activations: int, kernel: int) -> int:
    """Add up the memory of a stage."""
    # A stage trains or builds a kernel, never both at once.
    working = max(COPIES_OF_ACTIVATIONS * activations, kernel)
    return BASE_BYTES + COPIES_OF_STATE * state + data + working


def gpu_share(peak_bytes: int, device_bytes: int) -> float:
    """Return the share of a GPU that a stage takes, rounded up to hundredths. At most 1.

    >>> gpu_share(30 * 2**30, 80 * 2**30)
    0.38
    """
    return min(1.0, math.ceil(100 * peak_bytes / device_bytes) / 100)
