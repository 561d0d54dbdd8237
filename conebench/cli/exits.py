"""From errors to messages and exit codes, the same for every command."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from conebench.errors import ConebenchError


@contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """Show an error raised on purpose as its lines on stderr and leave with its exit code."""
    try:
        yield
    except ConebenchError as error:
        show_error(error)
        raise typer.Exit(error.exit_code) from None


def show_error(error: ConebenchError) -> None:
    """The lines of an error, on stderr."""
    typer.echo(str(error), err=True)
