"""`conebench validate PATH...`."""

import typer

from conebench.cli.exits import errors_as_exit_codes
from conebench.cli.options import SpecFiles
from conebench.cli.terminal import echo
from conebench.errors import ExitCode, SpecError
from conebench.spec import LoadedSpec, find_specs, load_valid
from conebench.spec.model_names import check_model


def validate(
    paths: SpecFiles,
) -> None:
    """Check specs without running them, and warn about weak choices.

    Names of models are looked up in a list that ships with conebench. Only `run` checks, before
    training, that a model accepts its arguments and the images.
    """
    with errors_as_exit_codes():
        loaded, problems = load_valid(find_specs(paths))
    unknown = [line for found in loaded for line in _model_problems(found)]
    # Variants of a matrix may share a warning.
    warnings = dict.fromkeys(line for found in loaded for line in found.warnings())
    for line in (*problems, *unknown, *warnings):
        echo(line, err=True)
    for found in loaded:
        if not _model_problems(found):
            variant = f"{found.spec.name}: " if found.written.variant else ""
            echo(f"{found.file}: {variant}valid, hash {found.spec.hash[:8]}")
    if problems or unknown:
        raise typer.Exit(ExitCode.BAD_INPUT)


def _model_problems(found: LoadedSpec) -> list[str]:
    """Return the problem of a model that timm and conebench do not have, if any."""
    try:
        check_model(found.spec.model)
    except SpecError as error:
        return str(found.located(error)).split("\n")
    return []
