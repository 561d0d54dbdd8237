"""Print the specs of a file as YAML, for `conebench show`."""

from collections.abc import Collection
from pathlib import Path

import typer

from conebench.errors import InputError
from conebench.spec import load_all, spec_text
from conebench.spec.yaml_text import yaml_text


def is_spec_file(file: Path) -> bool:
    """Return True if the file is named like a spec."""
    return file.suffix in (".yaml", ".yml")


def show_specs(file: Path, names: Collection[str], *, resolved: bool) -> None:
    """Print the specs of a file, or only those named; with all defaults if `resolved`."""
    for i, found in enumerate(load_all([file], names)):
        text = spec_text(found.spec) if resolved else yaml_text(found.written.data)
        separator = "---\n" if i else ""
        typer.echo(f"{separator}# hash {found.spec.hash}\n{text}", nl=False)


def refuse_options(file: Path, names: Collection[str], *, resolved: bool) -> None:
    """Raise an InputError if options of spec files are given for another file."""
    if names or resolved:
        raise InputError(f"{file}: --name and --resolved are for .yaml files only")
