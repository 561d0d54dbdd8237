"""`conebench validate PATH...`."""

from pathlib import Path
from typing import Annotated

import typer

from conebench.cli.exits import errors_as_exit_codes, show_error
from conebench.cli.terminal import echo
from conebench.errors import ExitCode, SpecError
from conebench.spec import LoadedSpec, find_specs, load_specs, repeated_names


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Spec files, or folders of them.")],
) -> None:
    """Check specs without running them, and warn about weak choices.

    Only `run` checks, before training, that timm has the model and that it takes the images.
    """
    with errors_as_exit_codes():
        files = find_specs(paths)
    loaded: list[LoadedSpec] = []
    failed = False
    for file in files:
        try:
            found = load_specs(file)
        except SpecError as error:
            failed = True
            show_error(error)
            continue
        loaded += found
        _show_warnings(found)
        for one in found:
            variant = f"{one.spec.name}: " if one.written.variant else ""
            echo(f"{file}: {variant}valid, hash {one.spec.hash[:8]}")
    for line in repeated_names(loaded):
        failed = True
        echo(line, err=True)
    if failed:
        raise typer.Exit(ExitCode.BAD_INPUT)


def _show_warnings(found: list[LoadedSpec]) -> None:
    """Print each warning once, even if several variants of a matrix share it."""
    for line in dict.fromkeys(line for one in found for line in one.warnings()):
        echo(line, err=True)
