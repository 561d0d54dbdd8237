"""What one stage needs of the machine it runs on, from the plan of its kernels."""

import math
from dataclasses import dataclass

import torch

from conebench.runner.stages.activation_memory import bytes_kept
from conebench.runner.stages.context import Context

# What a process with torch takes before it does anything, on the device that it computes on.
BASE_BYTES = 2**30
# Parameters, their gradients, up to two numbers a parameter of the optimizer, the anchor.
COPIES_OF_STATE = 5
# A linearized step keeps tangents beside what an ordinary one keeps for its backward pass.
COPIES_OF_ACTIVATIONS = 3


@dataclass(frozen=True)
class Needs:
    """CPU threads, a share of a GPU (0 on the CPU), and bytes of the machine's own memory."""

    cpus: int
    gpus: float
    memory: int

    def __str__(self) -> str:
        gpus = f", {self.gpus:g} of a GPU" if self.gpus else ""
        return f"{self.cpus} CPUs{gpus}, {self.memory / 2**30:.1f} GiB"


def needs_of(context: Context, kernel_bytes: int) -> Needs:
    """What each stage of a run needs whose kernels take so many bytes at their peak."""
    network = context.initial_network(context.spec.seeds[0])
    state = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    data = sum(images.pixels.numel() for images in (context.data.train, context.data.test))
    two_images = context.data.normalize(context.data.train.pixels[:2])
    activations = context.spec.training.batch_size * bytes_kept(network, two_images) // 2
    peak = stage_bytes(state, data, activations, kernel_bytes)
    threads = torch.get_num_threads()
    if context.device.type != "cuda":
        return Needs(threads, 0.0, peak)
    _, total = torch.cuda.mem_get_info(context.device)
    return Needs(threads, gpu_share(peak, total), BASE_BYTES)


def stage_bytes(state: int, data: int, activations: int, kernel: int) -> int:
    """Memory of a stage: training and kernels are never there at the same time."""
    working = max(COPIES_OF_ACTIVATIONS * activations, kernel)
    return BASE_BYTES + COPIES_OF_STATE * state + data + working


def gpu_share(peak_bytes: int, device_bytes: int) -> float:
    """The share of a GPU that a stage takes, in hundredths rounded up; at most a whole one.

    >>> gpu_share(30 * 2**30, 80 * 2**30)
    0.38
    """
    return min(1.0, math.ceil(100 * peak_bytes / device_bytes) / 100)
