"""Modules of a user's that register networks with timm."""

import importlib
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import redirect_stdout, suppress
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

from conebench.errors import InputError
from conebench.text import first_line

# By the name of an imported module: itself, and the user's own modules that came with it.
LOADED: dict[str, frozenset[str]] = {}
# Their sources as they were when they were imported.
CONTENTS: dict[Path, bytes] = {}


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
        before = set(sys.modules)
        try:
            # stdout is for results.
            with redirect_stdout(sys.stderr):
                importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # a user's module may raise anything
            kind, reason = type(error).__name__, first_line(error)
            said = reason if reason.startswith(kind) else f"{kind}: {reason}"
            raise InputError(f"--import: {name} cannot be imported: {said}") from None
        if name in LOADED and name in before:
            _check_unchanged(name)
        else:
            _remember(name, set(sys.modules) - before)


def _remember(name: str, new: Iterable[str]) -> None:
    """Keep the sources of a module and of those that came with it, as they were imported."""
    top = name.partition(".")[0]
    files = {module: file for module in (name, *new) if (file := file_of(module))}
    own = {m: f for m, f in files.items() if not is_installed(f) or m.partition(".")[0] == top}
    LOADED[name] = frozenset(own)
    CONTENTS.update({file: file.read_bytes() for file in own.values()})


def _check_unchanged(name: str) -> None:
    """Raise an InputError if a source is not what was imported, as in a notebook."""
    for module in sorted(LOADED[name]):
        file = file_of(module)
        if file and file.exists() and file.read_bytes() != CONTENTS.get(file):
            raise InputError(
                f"--import: {module} was changed after it was imported; start Python again"
            )


def content_of(file: Path) -> bytes:
    """Return a module's source, as it was imported if it was."""
    return CONTENTS[file] if file in CONTENTS else file.read_bytes()


def file_of(module: str) -> Path | None:
    """Return the file of a module. None if it has no Python source."""
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if loaded is None:
        with suppress(ImportError, ValueError, AttributeError):
            found = importlib.util.find_spec(module)
            file = found.origin if found else None
    return Path(file) if file and file.endswith(".py") else None


def is_installed(file: Path) -> bool:
    """Return True for a file of Python or of an installed package."""
    # An environment may lie on top of another one.
    if {"site-packages", "dist-packages"} & set(file.parts):
        return True
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    return any(file.is_relative_to(folder) for folder in folders)


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
