"""`conebench validate PATH...`."""

from pathlib import Path
from typing import Annotated

import typer

from conebench.cli.exits import errors_as_exit_codes, show_error
from conebench.errors import ExitCode, SpecError
from conebench.spec import find_specs, load_spec


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Spec files, or folders of them.")],
) -> None:
    """Check specs without running them.

    Whether timm knows the model, and whether it takes the images, is checked by `run` before any
    training.
    """
    with errors_as_exit_codes():
        files = find_specs(paths)
    failed = 0
    for file in files:
        try:
            spec = load_spec(file)
        except SpecError as error:
            failed += 1
            show_error(error)
        else:
            typer.echo(f"{file}: valid, hash {spec.hash[:8]}")
    if failed:
        raise typer.Exit(ExitCode.BAD_INPUT)
