"""Where, when and with what a record was made."""

import datetime
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

import conebench
from conebench.entk import KernelPlan
from conebench.record import KernelBuild, Provenance
from conebench.runner.stages.device import device_name

PACKAGES = ("torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn", "pydantic")


def gather_provenance(
    device: torch.device, wall_seconds: float, kernel_plan: KernelPlan, jobs: int
) -> Provenance:
    """Describe how a record was made, now and on this machine.

    `wall_seconds` is the time of all stages, of which `jobs` ran at once.
    """
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    commit, dirty = package_git_state()
    return Provenance(
        created_at=now.isoformat().replace("+00:00", "Z"),
        wall_seconds=round(wall_seconds, 3),
        device="cuda" if device.type == "cuda" else "cpu",
        device_name=device_name(device),
        cpu_threads=torch.get_num_threads(),
        jobs=jobs,
        platform=f"{platform.system()} {platform.machine()}",
        versions={
            "conebench": conebench.__version__,
            "python": platform.python_version(),
            **{package: version(package) for package in PACKAGES},
            **(
                {"cuda": torch.version.cuda} if device.type == "cuda" and torch.version.cuda else {}
            ),
        },
        git_commit=commit,
        git_dirty=dirty,
        kernel_build=KernelBuild(
            memory_limit_bytes=kernel_plan.memory_limit,
            peak_bytes=kernel_plan.peak_bytes,
            passes=len(kernel_plan.passes),
            samples_at_once=min(planned.chunk for planned in kernel_plan.passes),
        ),
    )


def package_git_state() -> tuple[str | None, bool | None]:
    """Return the commit that the package runs from, and if its code was changed."""
    package = Path(conebench.__file__).parent
    tracked = _git(package, "ls-files", "--error-unmatch", "__init__.py")
    commit = _git(package, "rev-parse", "HEAD") if tracked else None
    if commit is None:
        return None, None
    return commit, bool(_git(package, "status", "--porcelain", "--", "."))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
