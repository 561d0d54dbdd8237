"""Every `conebench ...` that a page shows is a command, with options that it has."""

import re
import shlex
from pathlib import Path

import pytest
from fences import BLOCK
from typer.main import get_command

from conebench.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / ".github").glob("*.md")]


def shown(page: Path) -> list[str]:
    """Commands in blocks of code, and in running text those with words after `conebench`."""
    text = page.read_text("utf-8")
    in_blocks = [
        line.removeprefix("$ ")
        for language, block in BLOCK.findall(text)
        if language in ("sh", "console")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    in_text = re.findall(r"`(conebench [^`]+)`", BLOCK.sub("", text))
    return [line for line in in_blocks + in_text if line.startswith("conebench ")]


def wrong_words(line: str) -> list[str]:
    """The words of a command line that conebench does not know."""
    words = shlex.split(line.partition(" | ")[0], comments=True)[1:]
    command = get_command(app)
    command.load_all()
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        if words[0].isupper():  # COMMAND stands for any
            return []
        if words[0] not in command.commands:
            return words[:1]
        command = command.commands[words.pop(0)]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
    return [word for word in words if word.startswith("-") and word not in known]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_known(page) -> None:
    assert [(line, wrong) for line in shown(page) if (wrong := wrong_words(line))] == []


def test_commands_are_found_and_wrong_ones_too() -> None:
    assert len(shown(ROOT / "README.md")) > 12
    assert wrong_words("conebench rum x.yaml") == ["rum"]
    assert wrong_words("conebench run x.yaml --smoke --seeds 1  # --not") == ["--seeds"]
    assert wrong_words("conebench leaderboard build --records r | tail -1") == []
