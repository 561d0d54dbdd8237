"""Modules of a user's that register networks with timm."""

import importlib
import re
import sys
from collections.abc import Iterable
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

from conebench.errors import InputError
from conebench.text import first_line


def import_modules(names: Iterable[str]) -> None:
    """Import modules by name, installed ones or those of the current folder.

    Only a user's own command line names them: a spec or a record never does.

    Raises:
        InputError: A module is missing or cannot be imported.

    """
    for name in names:
        here = str(Path.cwd())
        if here not in sys.path:
            # Last, so that no file of this folder stands in for a library.
            sys.path.append(here)
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a user's module may raise anything
            kind, reason = type(error).__name__, first_line(error)
            said = reason if reason.startswith(kind) else f"{kind}: {reason}"
            raise InputError(f"--import: {name} cannot be imported: {said}") from None


def package_of(module: str) -> str | None:
    """Return the package that an imported module is from, as name==version.

    None for a module that was not installed from a package index.
    """
    file = getattr(sys.modules.get(module), "__file__", None)
    for name in packages_distributions().get(module.partition(".")[0], ()):
        found = distribution(name)
        # Packages from a folder, a file or a repository have this file (PEP 610).
        from_index = found.read_text("direct_url.json") is None
        # A module of the same name may lie elsewhere.
        if from_index and file and Path(file).is_relative_to(Path(str(found.locate_file("")))):
            # As the index spells names (PEP 503).
            return f"{re.sub('[-_.]+', '-', name).lower()}=={found.version}"
    return None
