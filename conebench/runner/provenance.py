"""Where, when and with what a record was made, and by which modules of the user's."""

import datetime
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version

import torch

import conebench
from conebench.entk import KernelPlan
from conebench.networks.imported import package_of
from conebench.record import CodeFacts, ImportedModule, KernelBuild, Provenance
from conebench.runner.stages.code import Code, code_hash, own_modules, sources_of
from conebench.runner.stages.device import device_name

PACKAGES = ("torch", "torchvision", "timm", "numpy", "scipy", "pydantic")


def gather_provenance(
    device: torch.device,
    wall_seconds: float,
    kernel_plan: KernelPlan,
    jobs: int,
    codes: Sequence[Code | None],
    *,
    cuda_graphs: bool,
) -> Provenance:
    """Describe how a record was made, now and on this machine.

    `wall_seconds` is the sum over all stages; `jobs` of them ran at once. `codes` are the codes
    that computed the stages, None for a stage of an older run folder.
    """
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    known = [code for code in codes if code]
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
        git_commit=known[0].git_commit if known else None,
        git_dirty=_any_dirty(codes),
        codes=[CodeFacts(**asdict(code)) if code else None for code in codes],
        cuda_graphs=True if cuda_graphs else None,
        kernel_build=KernelBuild(
            memory_limit_bytes=kernel_plan.memory_limit,
            peak_bytes=kernel_plan.peak_bytes,
            passes=len(kernel_plan.passes),
            samples_at_once=min(planned.chunk for planned in kernel_plan.passes),
        ),
    )


def imported_modules(model: str, imports: Sequence[str]) -> list[ImportedModule] | None:
    """Describe the modules that a run imported, None without any."""
    found = []
    for name in own_modules(model, imports):
        source = code_hash(sources_of([name]))
        found.append(ImportedModule(module=name, source=source, package=package_of(name)))
    return found or None


def _any_dirty(codes: Sequence[Code | None]) -> bool | None:
    """Return True if any code was changed. None if none was, but some is not known."""
    dirty = [code.git_dirty if code else None for code in codes]
    if True in dirty:
        return True
    return None if None in dirty else False
