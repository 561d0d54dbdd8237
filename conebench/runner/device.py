"""The device of a run, set to give the same bits each time."""

import os
import platform
from pathlib import Path
from typing import Literal

import torch

from conebench.errors import DeviceMissingError

DeviceName = Literal["auto", "cpu", "cuda"]


def choose_device(name: DeviceName) -> torch.device:
    """The device asked for; `auto` takes a GPU where there is one."""
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise DeviceMissingError("--device: came cuda, but torch finds no GPU; allowed: auto, cpu")
    if name == "cpu" or not has_gpu:
        return torch.device("cpu")
    # cuBLAS gives the same bits each time only with a fixed workspace.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device("cuda")


def device_name(device: torch.device) -> str:
    """What a reader would call the device: the GPU's or the processor's model."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
