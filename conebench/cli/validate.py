"""`conebench validate PATH...`."""

import typer

from conebench.cli.exits import errors_as_exit_codes
from conebench.cli.options import Imports, SpecFiles
from conebench.cli.terminal import echo
from conebench.errors import ExitCode, SpecError
from conebench.spec import LoadedSpec, find_specs, load_valid
from conebench.spec.model_names import check_model, check_weights, known_models
from conebench.spec.optimizers import check_optimizer


def validate(
    paths: SpecFiles,
    imports: Imports = None,
) -> None:
    """Check specs without running them, and warn about weak choices.

    Look up models and optimizers in the lists that ship with conebench, and models also in the
    modules of --import.

    Only `run` checks, before training, that a model accepts its arguments and the images.
    """
    with errors_as_exit_codes():
        loaded, problems = load_valid(find_specs(paths))
        own = own_models(imports or [])
    unknown = [line for found in loaded for line in _unknown_names(found, own)]
    # Variants of a matrix may share a warning.
    warnings = dict.fromkeys(line for found in loaded for line in found.warnings())
    for line in (*problems, *unknown, *warnings):
        echo(line, err=True)
    for found in loaded:
        if not _unknown_names(found, own):
            variant = f"{found.spec.name}: " if found.written.variant else ""
            echo(f"{found.file}: {variant}valid, hash {found.spec.hash[:8]}")
    if problems or unknown:
        raise typer.Exit(ExitCode.BAD_INPUT)


def own_models(imports: list[str]) -> frozenset[str]:
    """Import modules, and return the names of the models that they register."""
    if not imports:
        return frozenset()
    # These import torch, which takes seconds.
    from conebench.networks.imported import import_modules
    from conebench.networks.timm_models import list_models

    import_modules(imports)
    return frozenset(list_models().keys() - known_models().keys())


def _unknown_names(found: LoadedSpec, own: frozenset[str]) -> list[str]:
    """Return the problems of an optimizer and of a model that nobody has, if any."""
    problems = []
    try:
        check_optimizer(found.spec.training.optimizer)
    except SpecError as error:
        problems.append(str(found.located(error)))
    # Nobody knows what a package provides without importing it.
    if found.spec.model.name in own or (found.spec.model.package and not own):
        return problems
    try:
        check_model(found.spec.model)
        check_weights(found.spec)
    except SpecError as error:
        problems += str(found.located(error)).split("\n")
    return problems
