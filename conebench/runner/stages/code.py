"""Code that computes the results of stages: its hash, commit and uncommitted changes."""

import ast
import hashlib
import importlib.util
import io
import subprocess
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import conebench
from conebench.errors import SpecError
from conebench.networks.imported import LOADED, content_of, file_of, is_installed
from conebench.networks.timm_models import entry_point

# Modules that can change a stage's result. Analysis and records follow from stored results and can
# be recomputed, the data's hash stands for the images, and stored files hold checksums.
PARTS = (
    "analysis/barrier.py",
    "data/augmentation.py",
    "data/datasets.py",
    "entk",
    "linearize",
    "networks",
    "runner/stages",
    "seeding.py",
    "spec/arms.py",
    "spec/schedule.py",
    "training",
)
# The same of modules that hold mostly other things: functions and constants.
SINGLE_PARTS = {
    "record/arms.py": ("pack_bits",),
    "record/derive.py": ("choose_rate",),
    "record/trajectory.py": ("GRAM_DECIMALS", "lower_triangle"),
    "spec/datasets.py": ("batches_per_epoch",),
}
# Functions that load a module; True for those whose first argument is its name.
LOADERS = {"import_module": True, "__import__": True, "spec_from_file_location": False}
# Networks of these packages are known by the package's version or hash.
KNOWN_PACKAGES = ("timm", "conebench")


@dataclass(frozen=True)
class Code:
    """Hash of the code that can change a result, and the state of its checkout.

    Commit and changes are those of conebench's checkout, None outside one.
    """

    hash: str
    git_commit: str | None
    git_dirty: bool | None


@cache
def current_code(model: str, imports: tuple[str, ...] = ()) -> Code:
    """Return the code of this process for runs of a model, with the modules imported for it.

    Raises:
        SpecError: The source of a user's own network cannot be read.

    """
    package = Path(conebench.__file__).parent
    return Code(
        code_hash([*_numerical_sources(package), *own_sources(model, imports)]), *git_state(package)
    )


def code_hash(sources: Iterable[str]) -> str:
    """Return the SHA-256 of Python sources. Comments, docstrings and error texts do not count."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(hashlib.sha256(normalized(source).encode()).digest())
    return digest.hexdigest()


def normalized(source: str) -> str:
    """Return Python source in one layout, without comments, docstrings and texts of errors."""
    tree = _parsed(source)
    return ast.unparse(_WithoutWords().visit(tree)) if tree else source


def _parsed(source: str) -> ast.Module | None:
    """Parse Python source. None if it is not valid, as that of another version of Python."""
    with suppress(SyntaxError):
        return ast.parse(source)
    return None


class _WithoutWords(ast.NodeTransformer):
    """Removes strings that no result depends on."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            # Not removed: a body may hold nothing else.
            return ast.Pass()
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return _WithoutStrings().visit(node)  # type: ignore[no-any-return]


class _WithoutStrings(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:  # noqa: ARG002
        return ast.Constant("")


def _numerical_sources(package: Path) -> Iterator[str]:
    for part in PARTS:
        path = package / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield _read(file)
    for part, names in SINGLE_PARTS.items():
        for node in ast.parse(_read(package / part)).body:
            if _defined(node) in names:
                yield ast.unparse(node)


def _defined(node: ast.stmt) -> str:
    """Return the name of a function or a constant."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return node.name if isinstance(node, ast.FunctionDef) else ""


def own_modules(model: str, imports: Sequence[str] = ()) -> list[str]:
    """Return the modules that a run imported, and the one that its network is from.

    Those of timm and conebench do not count.
    """
    names = sorted({*imports, entry_point(model).__module__})
    return [name for name in names if name.partition(".")[0] not in KNOWN_PACKAGES]


def own_sources(model: str, imports: Sequence[str] = ()) -> list[str]:
    """Read the sources of `own_modules`; empty for networks of timm and conebench.

    Raises:
        SpecError: The network is not from a Python file.

    """
    made_in, modules = entry_point(model).__module__, own_modules(model, imports)
    if made_in in modules and file_of(made_in) is None:
        # As in a notebook, where the function's source does not hold all that it uses.
        raise SpecError(
            f"the source of {model!r} cannot be read, so its results could not be told from those "
            "of another version; define it in a file",
            field="model.name",
        )
    return sources_of(modules)


def sources_of(modules: Sequence[str]) -> list[str]:
    """Read modules, and the user's modules that they import.

    Installed packages do not count, except those that the modules are from.
    """
    tops = {name.partition(".")[0] for name in modules}
    found: dict[str, Path] = {}
    # Also those that came with them in ways that their source does not tell.
    todo = [*modules, *(other for name in modules for other in LOADED.get(name, ()))]
    while todo:
        name = todo.pop()
        file = file_of(name)
        package = name.partition(".")[0]
        if name in found or package in KNOWN_PACKAGES or file is None:
            continue
        if package not in tops and is_installed(file):
            continue
        found[name] = file
        todo += _imported_by(name, file)
    return [_read(path) for _, path in sorted(found.items())]


def _read(file: Path) -> str:
    content = content_of(file)
    # In the encoding that the file states, as Python reads it.
    with suppress(SyntaxError, UnicodeDecodeError):
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return io.TextIOWrapper(io.BytesIO(content), encoding).read()
    return content.decode("latin-1")


def _imported_by(module: str, file: Path) -> Iterator[str]:
    """Yield the names of all modules that a module may import."""
    is_package = file.name == "__init__.py"
    package = module if is_package else module.rpartition(".")[0]
    # The packages around a module are imported with it.
    yield from _with_parents(package)
    tree = _parsed(_read(file))
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            with suppress(ImportError):
                whole = importlib.util.resolve_name(name, package)
                yield from _with_parents(whole)
                # A name may be a module of its own.
                yield from (f"{whole}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in LOADERS:
            yield from _loaded_by(node, package, file)


def _called(call: ast.Call) -> str:
    """Return the last part of the name of the function that is called."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _loaded_by(call: ast.Call, package: str, file: Path) -> Iterator[str]:
    """Yield the module that a call loads.

    If its name is computed, all modules of the caller's folder; of a package also those below.
    """
    names = [a.value if isinstance(a, ast.Constant) else None for a in call.args[:2]]
    first, second = [*names, None, None][:2]
    if LOADERS[_called(call)] and isinstance(first, str):
        anchor = second if isinstance(second, str) else package
        with suppress(ImportError):
            yield from _with_parents(importlib.util.resolve_name(first, anchor))
        return
    found = file.parent.rglob("*.py") if package else file.parent.glob("*.py")
    for beside in sorted(found):
        parts = [*filter(None, [package]), *beside.relative_to(file.parent).with_suffix("").parts]
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _with_parents(module: str) -> Iterator[str]:
    while module:
        yield module
        module = module.rpartition(".")[0]


def git_state(package: Path) -> tuple[str | None, bool | None]:
    """Return the commit that a package runs from, and if its code was changed."""
    tracked = _git(package, "ls-files", "--error-unmatch", "__init__.py")
    commit = _git(package, "rev-parse", "HEAD") if tracked else None
    if commit is None:
        return None, None
    return commit, bool(_git(package, "status", "--porcelain", "--", "."))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
