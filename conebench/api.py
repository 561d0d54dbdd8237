"""Functions for programs and notebooks, public as `conebench.run` and the like.

torch is imported by `run` alone.
"""

import json
import os
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING

from conebench.cli.display import open_progress
from conebench.cli.options import DATA_ROOT, Device, quiet_torch_jit
from conebench.cli.run import default_folder, shortened
from conebench.cli.terminal import Terminal
from conebench.dependencies import broken_dependency
from conebench.errors import InputError, SpecError, UnmetNeedError
from conebench.record import Record, read_record
from conebench.spec import CHANGED_SUFFIX, Spec, load_all
from conebench.spec.checks import cross_field_problems

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch

    from conebench.runner import Progress

__all__ = ["load_spec", "read_record", "run"]

DEVICES = ("auto", "cpu", "cuda")


def load_spec(
    spec: Path | str, *, name: str | None = None, settings: Mapping[str, object] | None = None
) -> Spec:
    """Load one spec, checked, with its defaults filled in.

    Args:
        spec: A file, or the name of a shipped spec.
        name: The spec to take from a file with a matrix or grid.
        settings: Fields to change, by their dotted name. The spec then gets a reserved name, and
            its runs are not for the board.

    Raises:
        SpecError: The spec is not valid, or the file has several and `name` chooses none.

    """
    _check("spec", spec, "a file or the name of a shipped spec", str | Path)
    _check("name", name, "the name of a spec", str | None)
    _check("settings", settings, "a mapping of fields to values", Mapping | None)
    texts = [_setting(field, value) for field, value in (settings or {}).items()]
    try:
        loaded = load_all([Path(spec)], [] if name is None else [name], texts)
    except OSError as error:
        raise SpecError(f"{spec}: cannot be read: {error.strerror}") from None
    if len(loaded) > 1:
        names = ", ".join(found.written_name for found in loaded[:3])
        raise SpecError(
            f"{spec}: got {len(loaded)} specs, expected one: choose a name, such as {names}"
        )
    return loaded[0].spec


def _setting(field: str, value: object) -> str:
    """Write a setting as for --set."""
    try:
        # JSON is YAML. Numbers and arrays of numpy have tolist.
        return f"{field}={json.dumps(value, default=lambda other: other.tolist())}"
    except (AttributeError, TypeError):
        raise InputError(
            f"settings: {field}: got {value!r}, expected numbers, texts, lists or mappings"
        ) from None


def run(
    spec: Spec | Path | str,
    *,
    settings: Mapping[str, object] | None = None,
    seeds: Sequence[int] | None = None,
    device: Device = "auto",
    data_root: Path | str | None = None,
    run_dir: Path | str | None = None,
    jobs: int = 1,
    smoke: bool = False,
    loggers: Sequence[str] = (),
    imports: Sequence[str] = (),
    quiet: bool = False,
) -> Record:
    """Run a spec as `conebench run` does, and return its record.

    The record is also written to the spec's folder in `run_dir`. An interrupted run continues from
    there when it is called again.

    Args:
        spec: A spec, its file, or the name of a shipped spec.
        settings: Fields to change, by their dotted name; only with a file or a name.
        seeds: Seeds to run, all of the spec's by default.
        device: "auto" takes a GPU if there is one.
        data_root: Folder of datasets, by default CONEBENCH_DATA, else in the user's cache.
        run_dir: Folder of runs, by default that of the command line.
        jobs: Stages to run in parallel, each in a process of its own.
        smoke: Try the spec in seconds; the figures mean nothing.
        loggers: Trackers that receive measurements: "csv", "tensorboard" or "wandb".
        imports: Modules of your own that register networks with timm.
        quiet: Show no progress, which otherwise goes to stderr.

    Returns:
        The record. It is partial if a stage failed; its `failures` say which and why.

    Raises:
        InputError: An argument or the spec is not valid, or does not fit network and data.
        UnmetNeedError: Data, a device, memory or disk are missing.
        RunError: No seed could be finished.

    """
    _check_options(device, jobs, data_root=data_root, run_dir=run_dir, smoke=smoke, quiet=quiet)
    _check_lists(seeds, loggers=loggers, imports=imports)
    data = Path(data_root or os.environ.get("CONEBENCH_DATA") or DATA_ROOT)
    chosen = _spec_of(spec, settings)
    _import_runner()
    if smoke:
        chosen = shortened(chosen, data)
    only = _checked_seeds(chosen, seeds)
    folder = run_dir or default_folder(smoke=smoke, changed=CHANGED_SUFFIX in chosen.name)
    with warnings.catch_warnings():
        quiet_torch_jit()
        # These import torch, which takes seconds.
        from conebench.runner import RunOptions, run_spec
        from conebench.runner.stages.device import choose_device

        options = RunOptions(data, Path(folder), choose_device(device), only)
        options = replace(options, jobs=jobs, loggers=tuple(loggers), imports=tuple(imports))
        with _progress(chosen.name, options.device, quiet=quiet) as progress:
            return run_spec(chosen, options, progress)[0]


def _check(name: str, value: object, expected: str, kinds: type | UnionType) -> None:
    """Raise an InputError for an argument of another kind, or an empty text."""
    # To Python, True is a whole number.
    is_other = isinstance(value, bool) and kinds is not bool
    if is_other or value == "" or not isinstance(value, kinds):
        raise InputError(f"{name}: got {value!r}, expected {expected}")


def _check_options(device: object, jobs: object, **others: object) -> None:
    """Raise an InputError for a device, number, folder or switch of the wrong type."""
    if not isinstance(device, str) or device not in DEVICES:
        raise InputError(f"device: got {device!r}, expected one of {', '.join(DEVICES)}")
    _check("jobs", jobs, "a whole number from 1 on", Integral)
    if jobs < 1:  # type: ignore[operator]
        raise InputError(f"jobs: got {jobs}, expected at least 1")
    for name, value in others.items():
        if name in ("smoke", "quiet"):
            _check(name, value, "True or False", bool)
        else:
            _check(name, value, "a folder", str | Path | None)


def _check_lists(seeds: object, **names: object) -> None:
    """Raise an InputError for a value that is not a list, or not of whole numbers or names."""
    for argument, value in {"seeds": seeds, **names}.items():
        is_list = isinstance(value, Iterable) and hasattr(value, "__len__")
        if value is not None and (isinstance(value, str | Mapping) or not is_list):
            raise InputError(f"{argument}: got {value!r}, expected a list")
    for seed in seeds if isinstance(seeds, Iterable) else ():
        _check("seeds", seed, "whole numbers", Integral)
    for argument, value in names.items():
        for name in value if isinstance(value, Iterable) else ():
            _check(argument, name, "names", str)


def _import_runner() -> None:
    """Import the runner. Raise an UnmetNeedError that names a missing package."""
    # It imports torch, which takes seconds.
    try:
        import conebench.runner  # noqa: F401
    except ImportError as error:
        problem = broken_dependency(error)
        if problem is None:
            raise
        raise UnmetNeedError(
            f"{problem}; only runs need torch, torchvision and timm: "
            "pip install torch torchvision timm"
        ) from None


def _spec_of(spec: Spec | Path | str, settings: Mapping[str, object] | None) -> Spec:
    if not isinstance(spec, Spec):
        return load_spec(spec, settings=settings)
    if settings is not None:
        raise InputError("settings: got a loaded spec, expected its file or name")
    # It may have been made or changed in Python, where only its fields are checked.
    whole = spec.resolved()
    problems = [f"{'.'.join(map(str, p.field))}: {p.message}" for p in cross_field_problems(whole)]
    if problems:
        raise SpecError("\n".join(problems))
    return whole


def _checked_seeds(spec: Spec, seeds: Sequence[int] | None) -> tuple[int, ...] | None:
    """Return the seeds to run, None for all. An array of numpy is a list too."""
    if seeds is None:
        return None
    if len(seeds) == 0:
        raise InputError("seeds: got an empty list, expected one or more")
    for seed in seeds:
        if seed not in spec.seeds:
            allowed = ", ".join(map(str, spec.seeds))
            raise SpecError(f"got {seed}, expected the spec's seeds: {allowed}", field="seeds")
    return tuple(map(int, seeds))


def _progress(
    name: str, device: "torch.device", *, quiet: bool
) -> "AbstractContextManager[Progress]":
    from conebench.runner import SilentProgress
    from conebench.runner.stages.device import device_line

    if quiet:
        return nullcontext(SilentProgress())
    # Notebooks set FORCE_COLOR, which rich takes for a terminal.
    console = Terminal(stderr=True, is_terminal=sys.stderr.isatty())
    return open_progress(console, name, f"{name}: {device_line(device)}")
