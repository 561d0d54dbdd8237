"""`conebench validate PATH...`."""

from pathlib import Path
from typing import Annotated

import typer

from conebench.cli.exits import errors_as_exit_codes
from conebench.cli.terminal import echo
from conebench.errors import ExitCode
from conebench.spec import find_specs, load_valid


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Spec files, or folders of them.")],
) -> None:
    """Check specs without running them, and warn about weak choices.

    Only `run` checks, before training, that timm has the model and that it takes the images.
    """
    with errors_as_exit_codes():
        loaded, problems = load_valid(find_specs(paths))
    # Variants of a matrix may share a warning.
    warnings = dict.fromkeys(line for found in loaded for line in found.warnings())
    for line in (*problems, *warnings):
        echo(line, err=True)
    for found in loaded:
        variant = f"{found.spec.name}: " if found.written.variant else ""
        echo(f"{found.file}: {variant}valid, hash {found.spec.hash[:8]}")
    if problems:
        raise typer.Exit(ExitCode.BAD_INPUT)
