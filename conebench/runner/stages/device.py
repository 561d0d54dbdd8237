"""The device of a run, set up for reproducible bits."""

import ctypes
import os
import platform
from pathlib import Path
from typing import Literal

import torch

from conebench.errors import DeviceMissingError

DeviceName = Literal["auto", "cpu", "cuda"]


def choose_device(name: DeviceName) -> torch.device:
    """Return the device asked for; `auto` takes a GPU if there is one."""
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise DeviceMissingError("--device: got cuda, but torch finds no GPU; expected auto or cpu")
    if name == "cpu" or not has_gpu:
        return torch.device("cpu")
    # cuBLAS is reproducible only with a fixed workspace.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Only a warning: some operators have no deterministic form.
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    # TF32 keeps 10 bits of the mantissa, too few for small kernel distances.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device("cuda")


def device_line(device: torch.device) -> str:
    """Say on which device a run is, and why it is not on a GPU."""
    if device.type == "cuda":
        return f"on {device_name(device)}"
    return f"on the CPU: {missing_gpu() or '--device cpu'}"


def missing_gpu() -> str | None:
    """Say why torch sees no GPU; None if it sees one."""
    if torch.cuda.is_available():
        return None
    return reason_without_gpu(torch.version.cuda, newest_cuda_of_driver())


def reason_without_gpu(built_for: str | None, driver: str | None) -> str:
    """Say why torch sees no GPU, from its CUDA version and the newest one that the driver knows.

    >>> reason_without_gpu("13.0", "12.4")
    "the driver's CUDA 12.4 is older than this torch's CUDA 13.0"
    """
    if built_for is None:
        return "this torch was built without CUDA"
    if driver is None:
        return "torch sees no GPU, and there is no NVIDIA driver"
    if int(driver.split(".")[0]) < int(built_for.split(".")[0]):
        return f"the driver's CUDA {driver} is older than this torch's CUDA {built_for}"
    return "torch sees no GPU"


def newest_cuda_of_driver() -> str | None:
    """Return the newest CUDA version that the NVIDIA driver knows, None without a driver."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    version = ctypes.c_int()
    if library.cuDriverGetVersion(ctypes.byref(version)) != 0:
        return None
    return f"{version.value // 1000}.{version.value % 1000 // 10}"


def visible_gpu(index: int, count: int, visible: str | None) -> str:
    """Return CUDA_VISIBLE_DEVICES for a worker: one of the `count` GPUs, in turn.

    `visible` is the variable as the run found it, None if it was not set.

    >>> [visible_gpu(index, 2, None) for index in range(3)]
    ['0', '1', '0']
    >>> [visible_gpu(index, 2, "3,5") for index in range(3)]
    ['3', '5', '3']
    """
    names = visible.split(",") if visible else [str(gpu) for gpu in range(count)]
    return names[index % count].strip()


def workers_on_one_device(jobs: int, gpus: int) -> int:
    """Return the largest number of workers that share one GPU, or the CPU without a GPU.

    >>> [workers_on_one_device(jobs, 4) for jobs in (1, 4, 6)]
    [1, 1, 2]
    """
    return -(-jobs // max(1, gpus))


def device_name(device: torch.device) -> str:
    """Return the model name of the GPU or the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
