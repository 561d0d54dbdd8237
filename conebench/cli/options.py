"""Options that several commands share."""

import warnings
from pathlib import Path
from typing import Annotated

import typer

from conebench.errors import InputError

DataRoot = Annotated[
    Path | None,
    typer.Option(help="Folder of datasets; default: CONEBENCH_DATA, else the user's cache."),
]
SpecNames = Annotated[
    list[str] | None,
    typer.Option("--name", help="Only the spec of this name; may be repeated."),
]
DeviceName = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Jobs = Annotated[
    int,
    typer.Option(
        help="Stages that run side by side, each in a process with its share of the CPU threads.",
        min=1,
        max=256,
    ),
]
Executor = Annotated[
    str, typer.Option(help="local, or ray: the stages of all specs at once on a Ray cluster.")
]
ClusterAddress = Annotated[
    str | None,
    typer.Option(
        help="Cluster of --executor ray, HOST:PORT or auto; default: RAY_ADDRESS, else this "
        "machine alone."
    ),
]
SaveEvery = Annotated[
    float,
    typer.Option(
        help="Training stores where it is after so many seconds, the most that a stop loses.",
        min=0,
        metavar="SECONDS",
    ),
]
KernelMemory = Annotated[
    float | None,
    typer.Option(
        help="GiB that one kernel may take beside its network; default: a quarter of what is free.",
        metavar="GIB",
    ),
]


def kernel_bytes(gib: float | None) -> int | None:
    """Bytes of --kernel-memory, None where it was not given; an InputError for nonsense."""
    if gib is None:
        return None
    if not 0 < gib < 2**20:
        raise InputError(f"--kernel-memory: got {gib:g}, expected GiB above 0")
    return int(gib * 2**30)


def check_device(name: str) -> None:
    """Raise an InputError for a --device that is none."""
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device: got {name!r}, expected auto, cpu, cuda")


def quiet_torch_jit() -> None:
    """Hide that torch itself still calls torch.jit at the first forward-mode derivative."""
    warnings.filterwarnings("ignore", message=".*torch.jit", category=FutureWarning)
    warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
