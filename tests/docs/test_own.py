"""docs/own.md: its files are written, and its commands print what it shows."""

import shlex
from pathlib import Path

from fences import blocks
from sessions import commands, conebench, fits, write_file

from conebench.record import read_record


def test_every_command_prints_what_the_page_shows(tmp_path: Path) -> None:
    ran = []
    for language, text in blocks("own.md", "python", "yaml", "console"):
        if language != "console":
            # Others are parts of files.
            if text.startswith("# "):
                write_file(text, tmp_path)
            continue
        for command, shown in commands(text):
            arguments = shlex.split(command.removeprefix("conebench "))
            printed = conebench(arguments, tmp_path)
            assert fits(shown, printed), f"{command}\n{printed}"
            ran.append(arguments[0])
    assert ran == ["validate", "run", "show"]
    record = read_record(tmp_path / "runs/two/record.json")
    assert record.own_modules == ["mynets.models"]
