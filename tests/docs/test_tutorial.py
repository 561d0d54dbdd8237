"""docs/tutorial.md: its files are written, its commands run, and they print what it shows."""

import re
import shlex

import pytest
from fences import blocks
from sessions import commands, conebench, fits, write_file


def differences(text: str) -> list[float]:
    """Return the mean differences of accuracy, in points."""
    return [float(found) for found in re.findall(r" (-?[\d.]+) points", text)]


def test_output_fits_by_words_and_not_by_numbers() -> None:
    assert fits("a 1.5 of 20 s\n...\nend", "a 2.25 of 7 s\nb\nc\nend\n")
    assert fits("id 0123abcd, ▁▃█, 20 s", "id ffffffff, █, 2.5 min")
    assert not fits("two phases, T* 30", "no Phase II")
    assert not fits("a\nb", "a")


def test_every_command_prints_what_the_page_shows(tmp_path) -> None:
    ran = []
    for language, text in blocks("tutorial.md", "yaml", "console"):
        if language == "yaml":
            write_file(text, tmp_path)
            continue
        for command, shown in commands(text):
            arguments = shlex.split(command.removeprefix("conebench "))
            printed = conebench(arguments, tmp_path)
            assert fits(shown, printed), f"{command}\n{printed}"
            # The prose speaks of them.
            if arguments[0] == "run" and "--set" not in arguments:
                assert len(differences(shown)) == 3
                assert differences(printed) == pytest.approx(differences(shown), abs=10)
            ran.append(arguments[0])
    assert ran == [
        "validate",
        "plan",
        "run",
        "status",
        "show",
        "check",
        "run",
        "new",
        "leaderboard",
    ]
    assert (tmp_path / "site" / "docs" / "tutorial.html").is_file()
