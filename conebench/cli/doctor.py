"""`conebench doctor`."""

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import typer

from conebench import __version__
from conebench.cli.options import DATA_ROOT, DataRoot
from conebench.cli.terminal import echo
from conebench.dependencies import packages
from conebench.errors import ExitCode


def doctor(data_root: DataRoot = DATA_ROOT) -> None:
    """Show packages, device, datasets and caches, what submit needs, and what is missing.

    Exit code 3 if a run is not possible here, or the data root that was named is not there.
    """
    echo(f"conebench {__version__}, Python {platform.python_version()}, {_system()}")
    found = list(packages())
    broken = [package for package in found if package.problem]
    echo(f"packages   {', '.join(f'{p.name} {p.version}' for p in found if p.version)}")
    for package in broken:
        echo(f"           {package.problem}")
    if not broken:
        echo(f"device     {_device()}")
    for name, text in (*_datasets(data_root), *_caches(), *_submission()):
        echo(f"{name:<10} {text}")
    # The default one is made by the first download.
    is_lost = data_root != DATA_ROOT and not data_root.is_dir()
    if broken or is_lost:
        raise typer.Exit(ExitCode.ENVIRONMENT)


def _system() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processor(s)"


def _device() -> str:
    from conebench.runner.stages.device import choose_device, device_line

    return device_line(choose_device("auto"))


def _datasets(root: Path) -> Iterator[tuple[str, str]]:
    state = "" if root.is_dir() else " (not there)"
    yield "data root", f"{root}{state}"
    folders = sorted(path.name for path in root.iterdir() if path.is_dir()) if not state else []
    yield "", f"holds {', '.join(folders) or 'nothing'}; digits comes with conebench"


def _submission() -> Iterator[tuple[str, str]]:
    # It imports the site, which takes long.
    from conebench.contribution import why_not_gh

    if shutil.which("git") is None:
        yield "submit", "not possible: git is not installed"
        return
    missing = why_not_gh()
    opens = f"shows the steps of a pull request: {missing}" if missing else "opens pull requests"
    yield "submit", f"checks records in a clone of conebench; --open-pr {opens}"


def _caches() -> Iterator[tuple[str, str]]:
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    yield "weights", f"{home}{'' if home.is_dir() else ' (not there: no pretrained weights)'}"
    offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    yield "hub", "offline, by HF_HUB_OFFLINE" if offline else "asked for weights not in the cache"
