"""The command line: arguments, messages and exit codes, no logic. Imports no torch by itself."""

import re
import sys
from typing import Annotated

import typer

from conebench import __version__
from conebench.cli.commands import LazyCommands
from conebench.cli.terminal import echo, lost_output, open_output
from conebench.errors import ExitCode

app = typer.Typer(
    cls=LazyCommands,
    help="Measure the cone effect in the learning dynamics of deep networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        echo(f"conebench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[  # typer calls back
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options of every command."""


def main() -> None:
    """Entry point of the `conebench` command."""
    outputs = open_output()
    code = _call()
    lost = lost_output(outputs)
    if lost:
        echo(f"conebench: the output cannot be written: {lost}", err=True)
        code = max(code, ExitCode.ENVIRONMENT)
    sys.exit(code)


def _call() -> int:
    """Call the command that the arguments name. Return its exit code."""
    try:
        code = app(prog_name="conebench", standalone_mode=False) or ExitCode.OK
    except typer.Abort:
        code = ExitCode.INTERRUPTED
    except typer.TyperException as error:
        # typer would exit with 2, which here means a failed run.
        message = _in_words(error)
        # Without a message, the help was shown.
        if message:
            end = "" if message.endswith("?") else "."
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "conebench"
            echo(f"conebench: {message}{end} See {command} --help.", err=True)
        code = ExitCode.BAD_INPUT
    return code


def _in_words(error: typer.TyperException) -> str:
    """Return what is wrong with the arguments."""
    message, cause = error.format_message().rstrip("."), error.__cause__
    place = re.match(r"Invalid value for '(.+?)': ", message)
    if not place:
        return message
    # Only now, since they take time.
    from pydantic import ValidationError

    from conebench.spec.schema_problems import value_problem

    of_type = value_problem(cause) if isinstance(cause, ValidationError) else None
    return f"{place[1]}: {of_type or message[place.end() :]}"
