"""Output that no terminal, encoding or reader can break."""

import io
import logging
import os
import sys
from collections.abc import Iterable
from typing import TextIO

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# Columns that rich believes; otherwise it asks the terminal.
NARROWEST, WIDEST = 20, 1000


class _Output(io.FileIO):
    """A stream that drops what cannot be written, and keeps the reason."""

    lost: OSError | None = None

    def write(self, data: object) -> int:
        """Write bytes, or pretend to."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            self.lost = self.lost or error
            return memoryview(data).nbytes  # type: ignore[arg-type]


def open_output() -> list[_Output]:
    """Let stdout and stderr take any text, and outlive their reader.

    Call `lost_output` at the end.
    """
    _forget_odd_columns()
    if logging.lastResort:
        logging.lastResort.setFormatter(_VisibleLines())
    outputs = []
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:
            # Closed by the caller.
            setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
        elif _descriptor(stream) == descriptor:
            raw = _Output(descriptor, "w", closefd=False)
            outputs.append(raw)
            whole = io.TextIOWrapper(
                io.BufferedWriter(raw),
                encoding=stream.encoding,
                errors="replace",
                line_buffering=name == "stderr" or stream.isatty(),
            )
            setattr(sys, name, whole)
    return outputs


def lost_output(outputs: Iterable[_Output]) -> str:
    """Write what is left, and say why output was lost.

    Empty if none was lost, or if the reader left.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    errors = [output.lost for output in outputs if output.lost]
    return next((f"{e.strerror}" for e in errors if not isinstance(e, BrokenPipeError)), "")


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print text on stdout, or on stderr."""
    typer.echo(visible(text), err=err, nl=nl)


def visible(text: str) -> str:
    r"""Return text with characters that would not show as escapes. Ends of lines stay.

    >>> print(visible("a\x1b[31m\u202eb"))
    a\x1b[31m\u202eb
    """
    return "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    # Spaces of any width are harmless.
    return " " if character.isspace() else ascii(character)[1:-1]


class Terminal(Console):
    """Console that shows every character of its text, and cuts no piped table."""

    def __init__(
        self, *, stderr: bool = False, soft_wrap: bool = False, is_terminal: bool | None = None
    ) -> None:
        super().__init__(
            stderr=stderr,
            soft_wrap=soft_wrap,
            highlight=False,
            markup=False,
            # None: rich finds out.
            force_terminal=is_terminal,
            # A notebook would show each line as HTML, in an output of its own.
            force_jupyter=False,
        )
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = WIDEST

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render as rich does, with all text visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


class _VisibleLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def _forget_odd_columns() -> None:
    columns = os.environ.get("COLUMNS", "")
    if not (columns.isascii() and columns.isdigit() and len(columns) < 9):
        os.environ.pop("COLUMNS", None)
    elif not NARROWEST <= int(columns) <= WIDEST:
        del os.environ["COLUMNS"]


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None
