"""Console sessions of the documentation: their files, commands and output."""

import os
import re
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from fences import DOCS
from tiny_processes import SERVER

from conebench.cli import main

PROGRESS = re.compile(r"^[\w.-]+: +(\d+%|on|follow:) .*\n", re.MULTILINE)
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


def commands(session: str) -> list[tuple[str, str]]:
    """Each command of a console block with the output below it."""
    parts = re.split(r"^\$ (.*)\n", session, flags=re.MULTILINE)
    assert parts[0] == ""
    return list(zip(parts[1::2], parts[2::2], strict=True))


def write_file(text: str, folder: Path) -> Path:
    """Write a block of code whose first line is a comment with its path."""
    path = folder / text.splitlines()[0].removeprefix("# ")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def conebench(arguments: list[str], folder: Path) -> str:
    """What a command prints, but for progress; in a process of its own, as a reader runs it."""
    env = {**os.environ, "PYTHONPATH": str(DOCS.parent), "COLUMNS": "80"}
    ours, theirs = SERVER.Pipe(duplex=False)
    process = SERVER.Process(target=call, args=(arguments, folder, theirs, env))
    process.start()
    theirs.close()
    # To the end of what jobs in the background print, too.
    with open(ours.fileno(), encoding="utf-8", closefd=False) as printed:
        out = printed.read()
    process.join()
    assert process.exitcode == 0, out
    return PROGRESS.sub("", out)


def call(arguments: list[str], folder: Path, printed: Connection, env: dict[str, str]) -> None:
    """Run a command that prints into a pipe."""
    for stream in (1, 2):
        os.dup2(printed.fileno(), stream)
    printed.close()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["conebench", *arguments]
    main()
