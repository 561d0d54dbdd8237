"""docs/tutorial.md: its files are written, its commands run, and they print what it shows."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from fences import DOCS, blocks

PROGRESS = re.compile(r"^first: +(\d+%|on) .*\n", re.MULTILINE)
# What depends on the run: ids, curves and numbers are compared as such, and words as they are.
VARIES = (
    (re.compile(r"\b[0-9a-f]{8}\b"), "ID"),
    (re.compile("[▁-█]+"), "CURVE"),
    (re.compile(r"-?\d[\d,.:]*(e[+-]\d+)?"), "N"),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r"\bN (s|min|h)\b"), "TIME"),
)


def plain(text: str) -> str:
    """The words and the layout, without what varies."""
    for pattern, instead in VARIES:
        text = pattern.sub(instead, text)
    return "\n".join(line.strip() for line in text.strip().splitlines())


def fits(shown: str, printed: str) -> bool:
    """Whether the output is what the page shows, `...` standing for anything."""
    shown = re.escape(plain(shown)).replace(re.escape("..."), ".*")
    return re.fullmatch(shown, plain(printed), re.DOTALL) is not None


def differences(text: str) -> list[float]:
    """Return the mean differences of accuracy, in points."""
    return [float(found) for found in re.findall(r" (-?[\d.]+) points", text)]


def commands(session: str) -> list[tuple[str, str]]:
    """Each command of a console block with the output below it."""
    parts = re.split(r"^\$ (.*)\n", session, flags=re.MULTILINE)
    assert parts[0] == ""
    return list(zip(parts[1::2], parts[2::2], strict=True))


def test_output_fits_by_words_and_not_by_numbers() -> None:
    assert fits("a 1.5 of 20 s\n...\nend", "a 2.25 of 7 s\nb\nc\nend\n")
    assert fits("id 0123abcd, ▁▃█, 20 s", "id ffffffff, █, 2.5 min")
    assert not fits("two phases, T* 30", "no Phase II")
    assert not fits("a\nb", "a")


def conebench(arguments: list[str], folder: Path) -> str:
    """What a command prints, but for progress; in a process of its own, as a reader runs it."""
    done = subprocess.run(
        [sys.executable, "-m", "conebench", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(DOCS.parent), "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return PROGRESS.sub("", done.stdout)


def test_every_command_prints_what_the_page_shows(tmp_path) -> None:
    ran = []
    for language, text in blocks("tutorial.md", "yaml", "console"):
        if language == "yaml":
            path = tmp_path / text.splitlines()[0].removeprefix("# ")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            continue
        for command, shown in commands(text):
            arguments = shlex.split(command.removeprefix("conebench "))
            printed = conebench(arguments, tmp_path)
            assert fits(shown, printed), f"{command}\n{printed}"
            # The prose speaks of them.
            if arguments[0] == "run":
                assert len(differences(shown)) == 3
                assert differences(printed) == pytest.approx(differences(shown), abs=10)
            ran.append(arguments[0])
    assert ran == ["validate", "plan", "run", "status", "show", "check", "leaderboard"]
    assert (tmp_path / "site" / "docs" / "tutorial.html").is_file()
