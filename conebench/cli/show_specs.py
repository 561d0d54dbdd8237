"""The specs of a file as YAML, for `conebench show`."""

from collections.abc import Collection
from pathlib import Path

import typer

from conebench.errors import InputError
from conebench.spec import load_all, spec_text
from conebench.spec.yaml_text import yaml_text


def is_spec_file(file: Path) -> bool:
    """Whether the file is named as specs are."""
    return file.suffix in (".yaml", ".yml")


def show_specs(file: Path, names: Collection[str], *, resolved: bool) -> None:
    """Print every spec of a file, or those of the given names; with all defaults if resolved."""
    for i, found in enumerate(load_all([file], names)):
        text = spec_text(found.spec) if resolved else yaml_text(found.written.data)
        separator = "---\n" if i else ""
        typer.echo(f"{separator}# hash {found.spec.hash}\n{text}", nl=False)


def refuse_options(file: Path, names: Collection[str], *, resolved: bool) -> None:
    """Raise an InputError where options of spec files came with another file."""
    if names or resolved:
        raise InputError(f"{file}: --name and --resolved: allowed with .yaml files only")
