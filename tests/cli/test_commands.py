"""conebench.cli.commands: commands are imported when they are called."""

import inspect
import subprocess
import sys

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
