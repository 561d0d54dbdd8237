"""conebench.cli.commands: commands are imported when they are called."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conebench.cli.commands import HELP, load_command


@pytest.mark.parametrize("name", HELP)
def test_the_line_of_help_is_that_of_the_command(name: str) -> None:
    paragraph = inspect.cleandoc(load_command(name).help).split("\n\n")[0]
    assert HELP[name] == " ".join(paragraph.split())


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], ["conebench.cli.run", "conebench.spec", "numpy"]),
        (["validate", "specs/digits.yaml"], ["conebench.cli.run", "numpy", "rich.table"]),
        (["list", "specs/digits.yaml"], ["conebench.cli.run", "numpy"]),
        (["new", "--help"], ["conebench.cli.run", "numpy"]),
    ],
    ids=["help", "validate", "list", "new"],
)
def test_a_command_imports_only_what_it_uses(arguments: list[str], absent: list[str]) -> None:
    code = (
        "import sys; from conebench.cli import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert set(absent).isdisjoint(ran.stderr.split())


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("resnet1", ["resnet18"]),
        ("digits-", ["digits-factors", "digits-window"]),
        ("sp", ["specs/"]),
        ("specs/m", ["specs/mine.yaml"]),
        ("zzz", []),
    ],
)
def test_the_shell_completes_specs(tmp_path: Path, typed: str, found: list[str]) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/mine.yaml").touch()
    shell = {"_CONEBENCH_COMPLETE": "complete_bash", "COMP_WORDS": f"conebench run {typed}"}
    ran = subprocess.run(
        [sys.executable, "-m", "conebench"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), **shell, "COMP_CWORD": "2"},
    )
    assert (ran.stdout.split(), ran.stderr) == (found, "")
