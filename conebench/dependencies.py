"""Find the dependency that is too old, missing or broken."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from traceback import walk_tb

# Packages that are imported by another name than they are installed by.
PACKAGES = {
    "PIL": "pillow",
    "markdown_it": "markdown-it-py",
    "ruamel": "ruamel-yaml",
}
AT_LEAST = re.compile(r"([\w.-]+)>=([\d.]+)")
EXACTLY = re.compile(r"([\w.-]+)==([\d.]+)")


@dataclass(frozen=True)
class Package:
    """A package that conebench needs: its version if it is installed, and what is wrong."""

    name: str
    version: str | None
    problem: str | None


def packages() -> Iterator[Package]:
    """Yield the packages that conebench needs."""
    for name, needed in _requirements("conebench", AT_LEAST):
        found = _version(name)
        problem = None
        if found is None:
            problem = f"{name} is not installed{_need(name)}"
        elif _numbers(found) < _numbers(needed):
            problem = f"{name} {found} is too old{_need(name)}"
        yield Package(name, found, problem)


def outdated_dependency() -> str | None:
    """Name an installed dependency that is too old, if any."""
    return next((p.problem for p in packages() if p.version and p.problem), None)


def broken_dependency(error: Exception) -> str | None:
    """Name the dependency whose import raised this error.

    The line gives its version and what is needed. Returns None for any other error.
    """
    module = _failed_module(error)
    if module is None:
        return None
    package = PACKAGES.get(module) or packages_distributions().get(module, [module])[0]
    found = _version(package)
    if found is None:
        return f"{package} is not installed{_need(package)}"
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    problem = f"{package} {found} cannot be imported ({reason})"
    for other, needed in _requirements(package, EXACTLY):
        got = _version(other)
        if got is None or _numbers(got) != _numbers(needed):
            return f"{problem}; it needs {other} {needed}, got {got or 'none'}"
    return f"{problem}{_need(package)}"


def _failed_module(error: Exception) -> str | None:
    """Return the top-level module whose import raised the error."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    # A frame named <module> runs the top level of a file, so it belongs to an import.
    importing = [frame for frame in frames if frame.f_code.co_name == "<module>"]
    candidates = [
        error.name if isinstance(error, ModuleNotFoundError) else None,
        importing[-1].f_globals["__name__"] if importing else None,
        error.name if isinstance(error, ImportError) else None,
    ]
    if importing:
        # A module of conebench used something that a dependency does not have or accept.
        module = error.obj if isinstance(error, AttributeError) else None
        candidates += [getattr(module, "__name__", None), frames[-1].f_globals["__name__"]]
    tops = [name.partition(".")[0] for name in candidates if name]
    ours = {"conebench", *sys.stdlib_module_names}
    return next((top for top in tops if top not in ours), None)


def _requirements(package: str, kind: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Yield the requirements of one kind that a package states."""
    try:
        stated = requires(package) or []
    except PackageNotFoundError:
        # A checkout that is on the path but not installed.
        return
    for requirement in stated:
        # The whole text: a requirement with a condition, such as an extra, is left out.
        if match := kind.fullmatch(requirement):
            yield match[1], match[2]


def _need(package: str) -> str:
    needed = dict(_requirements("conebench", AT_LEAST)).get(package)
    return f"; conebench needs {package}>={needed}" if needed else ""


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _numbers(version: str) -> list[int]:
    """Return the release numbers of a version: [2, 11] for 2.11.0+cpu."""
    release = re.match(r"[\d.]*\d", version)
    numbers = [int(part) for part in release[0].split(".")] if release else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers
