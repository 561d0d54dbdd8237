"""The `conebench` command, as a process: it starts, and says what keeps it from starting."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from conebench import __version__
from conebench.cli import app

ROOT = Path(__file__).parents[1]
# Packages that only some commands need.
OPTIONAL = [
    *("PIL", "jinja2", "pandas", "pyarrow", "scipy"),
    *("timm", "torch", "torchvision"),
]


def commands(path: tuple[str, ...], command: Any) -> Iterator[tuple[str, ...]]:
    yield path
    for name, found in getattr(command, "commands", {}).items():
        yield from commands((*path, name), found)


def run(*arguments: str, cwd: Path, first_on_path: Path | None = None) -> tuple[int, str, str]:
    path = os.pathsep.join(map(str, filter(None, (first_on_path, ROOT))))
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def fake_package(folder: Path, name: str, version: str, code: str = "", *needs: str) -> None:
    """A package that is found before the one that is installed."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code)
    about = folder / f"{name}-{version}.dist-info"
    about.mkdir()
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {need}" for need in needs)]
    (about / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, ""]))


def test_the_demo_in_small_warns_of_nothing(tmp_path: Path) -> None:
    strict = ("-W", "error", "-W", "ignore:`torch.jit:DeprecationWarning", "-m", "conebench")
    spec = str(ROOT / "specs/digits.yaml")
    assert run(*strict, "run", spec, "--smoke", cwd=tmp_path)[0] == 0
    code, out, _ = run(*strict, "leaderboard", "build", "--records", "runs-smoke", cwd=tmp_path)
    assert (code, out) == (0, "1 record on the board: open leaderboard/_site/index.html\n")


def test_help_and_version_need_no_optional_package(tmp_path: Path) -> None:
    root = get_command(app)
    root.load_all()
    every = [" ".join(path) for path in commands((), root)]
    assert "leaderboard build" in every
    code = f"""
import sys
sys.modules.update(dict.fromkeys({OPTIONAL}))
from conebench.__main__ import main
for words in [["--version"], *([*words.split(), "--help"] for words in {every})]:
    sys.argv = ["conebench", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
"""
    returned, out, err = run("-c", code, cwd=tmp_path)
    assert (returned, err) == (0, "")
    assert out.startswith(f"conebench {__version__}\n")
    assert out.count("Usage: conebench") == len(every)


def test_the_version_is_told_where_nothing_can_be_imported(tmp_path: Path) -> None:
    fake_package(tmp_path, "typer", "9.9", "1 / 0")
    found = run("-m", "conebench", "--version", cwd=tmp_path, first_on_path=tmp_path)
    assert found == (0, f"conebench {__version__}\n", "")


@pytest.mark.parametrize(
    ("name", "version", "code", "needs", "message"),
    [
        ("timm", "1.0.9", "", (), "timm 1.0.9 is too old; conebench needs timm>="),
        (
            "torchvision",
            "9.9",
            "raise RuntimeError('operator torchvision::nms does not exist')",
            ("torch==1.13.0",),
            "torchvision 9.9 cannot be imported (operator torchvision::nms does not exist); "
            "it needs torch 1.13.0, got ",
        ),
        ("torchvision", "9.9", "import no_such_thing", (), "no_such_thing is not installed\n"),
        # What is missed first depends on the versions of the packages that need it.
        ("numpy", "9.9", "", (), "numpy 9.9 cannot be imported ("),
    ],
)
def test_a_broken_package_is_told_in_one_line(
    tmp_path: Path, name: str, version: str, code: str, needs: tuple[str, ...], message: str
) -> None:
    fake_package(tmp_path, name, version, code, *needs)
    spec = str(ROOT / "specs/digits.yaml")
    found, out, err = run(
        "-m", "conebench", "run", spec, "--smoke", cwd=tmp_path, first_on_path=tmp_path
    )
    assert (found, out) == (3, "")
    assert err.startswith(f"conebench: {message}")
    assert err.count("\n") == 1


def test_windows_is_named_in_one_line(tmp_path: Path) -> None:
    program = """
import platform, runpy, sys
platform.system = lambda: "Windows"
sys.argv[0] = "conebench"
runpy.run_module("conebench", run_name="__main__")
"""
    line = "conebench: Windows is not supported: use WSL\n"
    assert run("-c", program, "list", cwd=tmp_path) == (3, "", line)
    assert run("-c", program, "--version", cwd=tmp_path)[0] == 0
