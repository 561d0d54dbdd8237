"""Options shared by several commands."""

import warnings
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
import typer

from conebench.errors import InputError

Device = Literal["auto", "cpu", "cuda"]

DATA_ROOT = platformdirs.user_cache_path("conebench") / "data"
DataRoot = Annotated[
    Path,
    typer.Option(
        envvar="CONEBENCH_DATA", help="Folder of datasets.", show_default="in the user's cache"
    ),
]
SpecNames = Annotated[
    list[str] | None, typer.Option("--name", help="Only the spec of this name; repeatable.")
]
DeviceName = Annotated[Device, typer.Option(help="auto takes a GPU if there is one.")]
Jobs = Annotated[
    int,
    typer.Option(
        help="Stages to run in parallel, each in a process with its share of the CPU threads.",
        min=1,
        max=256,
    ),
]
Executor = Annotated[
    Literal["local", "ray"], typer.Option(help="ray runs the stages of all specs on a Ray cluster.")
]
# No envvar=: RAY_ADDRESS may be set while --executor is local, where --address is refused.
ClusterAddress = Annotated[
    str | None,
    typer.Option(
        help="Cluster of --executor ray, HOST:PORT or auto; default: RAY_ADDRESS, else a cluster "
        "on this machine."
    ),
]
SaveEvery = Annotated[
    float,
    typer.Option(help="Seconds between saves of training progress.", min=0, metavar="SECONDS"),
]
KernelMemory = Annotated[
    float | None,
    typer.Option(
        help="GiB that one kernel may use, without its network; default: a quarter of what is "
        "free.",
        metavar="GIB",
    ),
]


def kernel_bytes(gib: float | None) -> int | None:
    """Return --kernel-memory in bytes, or raise an InputError if it is not a size."""
    if gib is None:
        return None
    if not 0 < gib < 2**20:
        raise InputError(f"--kernel-memory: got {gib:g}, expected more than 0 GiB")
    return int(gib * 2**30)


def quiet_torch_jit() -> None:
    """Hide warnings about torch.jit, which torch itself calls for forward-mode derivatives."""
    warnings.filterwarnings("ignore", message=".*torch.jit", category=FutureWarning)
    warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
