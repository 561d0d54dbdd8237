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


def complete_spec(incomplete: str) -> list[str]:
    """Return the spec files, folders and names of shipped specs that begin with a text."""
    from conebench.spec import shipped_specs

    start = Path(incomplete)
    folder = start if incomplete.endswith("/") else start.parent
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [f"{path}/" for path in inside if path.is_dir()]
    found += [str(path) for path in inside if path.suffix == ".yaml"]
    found += sorted(path.stem for path in shipped_specs().glob("*.yaml"))
    return [text for text in found if text.startswith(incomplete)]


SpecFiles = Annotated[
    list[Path],
    typer.Argument(
        help="Spec files, folders of them, or names of shipped specs.",
        autocompletion=complete_spec,
    ),
]
SpecNames = Annotated[
    list[str] | None, typer.Option("--name", help="Only the spec of this name; repeatable.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Change a field of the spec, such as training.steps=500; repeatable. The run is not "
        "for the board.",
    ),
]


def _modules(names: list[str] | None) -> list[str] | None:
    """Return the names of modules, or raise a BadParameter for the file of one."""
    for name in names or []:
        if "/" in name or name.endswith(".py"):
            module = name.removesuffix(".py").strip("./").replace("/", ".")
            raise typer.BadParameter(f"got {name!r}, expected a module, such as {module}")
    return names


Imports = Annotated[
    list[str] | None,
    typer.Option(
        "--import",
        metavar="MODULE",
        callback=_modules,
        help="Import a module of your own that registers networks with timm; repeatable. Its code "
        "runs.",
    ),
]
Smoke = Annotated[
    bool,
    typer.Option(
        "--smoke",
        help="Try the spec with few images, 16 steps and one seed; not for the board. Other images "
        "are not read, so damaged ones are not found.",
    ),
]
RunFolder = Annotated[
    Path | None,
    typer.Option(
        help="Folder of runs, with one subfolder per spec; default: runs, runs-smoke with "
        "--smoke, runs-set with --set."
    ),
]
Loggers = Annotated[
    list[str] | None,
    typer.Option(
        "--log",
        help="Also log measurements to csv, tensorboard or wandb; repeatable. metrics.jsonl in "
        "the run's folder has them in any case.",
    ),
]
CudaGraphs = Annotated[
    bool,
    typer.Option(
        "--cuda-graphs",
        help="Record training steps as CUDA graphs and replay them. Experimental: not yet run on a "
        "GPU.",
    ),
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
    Literal["local", "slurm", "slurm-local"],
    typer.Option(
        help="slurm submits one job per seed and returns; slurm-local starts the same jobs as "
        "processes of this machine, all at once, to try it."
    ),
]
SlurmArguments = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm-args",
        metavar="NAME=VALUE",
        help="Parameter of the jobs, as sbatch and submitit name it: time=240 (minutes), "
        "partition=gpu, gpus_per_node=1; repeatable.",
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
