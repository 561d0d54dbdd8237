"""conebench.runner.stages.code: which code computed a stage, and what that means for a record."""

import ast
import importlib
import inspect
import linecache
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import pytest
import timm
from tiny_runs import RecordingProgress, content, run, tiny_spec

import conebench
from conebench.errors import InputError, SpecError
from conebench.networks.imported import LOADED, import_modules
from conebench.runner.stages import code, context
from conebench.runner.stages.code import Code, code_hash, current_code, own_sources

PACKAGE = Path(conebench.__file__).parent
# What stages import but is not in their hash, and why it cannot change a result.
NO_PART = {
    "analysis": "figures follow from stored results, and are recomputed by every reader",
    "data.archives": "the data's hash stands for the pixels",
    "data.hub": "the data's hash stands for the pixels",
    "data.image_files": "the data's hash stands for the pixels",
    "data.image_folder": "the data's hash stands for the pixels",
    "data.sources": "the data's hash stands for the pixels",
    "environment": "it sets variables; what they decide is in the modules that call it",
    "errors": "words",
    "interrupts": "a stop loses steps, it changes none",
    "record": "types of the results, and figures that follow from them",
    "site": "a record draws its plots with it, a stage does not",
    "spec": "the spec's sections and its grid of checkpoints are in the key of a stage",
    "study": "a record draws its plots with it, a stage does not",
    "storage": "files hold checksums; LAYOUT tells other meanings apart",
    "text": "words",
}


def imported_by(module: str) -> set[str]:
    file = PACKAGE.parent / f"{module.replace('.', '/')}.py"
    if not file.exists():
        file = file.with_suffix("") / "__init__.py"
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("conebench."):
            names.add(node.module or "")
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            names |= {m for m in submodules if (PACKAGE.parent / m.replace(".", "/")).exists()}
    return names


def test_every_module_that_stages_import_is_hashed_or_has_a_reason_not_to_be() -> None:
    hashed = {part.removesuffix(".py").replace("/", ".") for part in code.PARTS}
    todo, seen = {"conebench.runner.stages.planned"}, set[str]()
    while todo:
        module = todo.pop()
        seen.add(module)
        todo |= imported_by(module) - seen
    assert len(seen) > 40
    for module in seen:
        name = module.removeprefix("conebench.")
        starts = {name[:i] for i, letter in enumerate(f"{name}.") if letter == "."}
        assert starts & (hashed | set(NO_PART)), module
    assert all((PACKAGE / part).exists() for part in code.PARTS)


# Functions that hashed modules take from other modules of those above, and why they may change.
NO_RESULT = {
    "conebench.data.sources.read_images": "the data's hash stands for the pixels",
    "conebench.record.derive.derive_phases": "T* is in the key of each arm that it decides",
    "conebench.spec.model_names.model_hint": "words",
    "conebench.spec.optimizers.unknown_optimizer": "words",
}


def test_every_function_that_hashed_modules_take_is_hashed_or_has_a_reason_not_to_be() -> None:
    sources = [PACKAGE / part for part in code.PARTS]
    hashed = {f for s in sources for f in (s.rglob("*.py") if s.is_dir() else [s])}
    taken: list[object] = []
    for file in hashed:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("conebench."):
                module = importlib.import_module(str(node.module))
                taken += [getattr(module, alias.name, None) for alias in node.names]
    found = {
        f"{function.__module__}.{function.__name__}"
        for function in taken
        if inspect.isfunction(function)
        and Path(str(sys.modules[function.__module__].__file__)) not in hashed
        and function.__module__.split(".")[1] in ("analysis", "data", "record", "spec")
    }
    single = {
        f"conebench.{part.removesuffix('.py').replace('/', '.')}.{name}"
        for part, names in code.SINGLE_PARTS.items()
        for name in names
    }
    assert found - single == set(NO_RESULT)
    assert single - found == {"conebench.record.trajectory.GRAM_DECIMALS"}


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("record/trajectory.py", "GRAM_DECIMALS = 10", "GRAM_DECIMALS = 3"),
        ("record/derive.py", "-rate.validation_loss", "rate.validation_loss"),
        ("record/arms.py", "np.packbits(correct)", "np.packbits(~correct)"),
        ("spec/datasets.py", "max(1, whole +", "max(2, whole +"),
    ],
)
def test_a_change_to_one_of_these_counts(tmp_path: Path, part: str, old: str, new: str) -> None:
    package = shutil.copytree(PACKAGE, tmp_path / "conebench")
    before = code_hash(code._numerical_sources(package))
    text = (package / part).read_text()
    assert text.count(old) == 1
    (package / part).write_text(text.replace(old, new))
    assert code_hash(code._numerical_sources(package)) != before
    (package / part).write_text(f"{text}\n\ndef another() -> None:\n    pass\n")
    assert code_hash(code._numerical_sources(package)) == before


@pytest.mark.parametrize(
    "same",
    [
        "def f(x):\n    return 2 * x\n",
        "def f(x):  # doubled\n\n    return (2 * x)\n",
    ],
)
def test_layout_and_comments_do_not_count(same: str) -> None:
    assert code_hash([same]) == code_hash(["def f(x): return 2*x"])


def test_docstrings_and_texts_of_errors_do_not_count() -> None:
    old = 'def f(x):\n    """Old."""\n    if x < 0:\n        raise ValueError(f"old {x}", 3)\n'
    new = old.replace("Old", "New").replace("old {x}", "new")
    assert code_hash([new]) == code_hash([old])


@pytest.mark.parametrize(("old", "new"), [("2", "3"), ("< 0", "<= 0"), ("'a'", "'b'"), ("7", "8")])
def test_all_else_counts(old: str, new: str) -> None:
    source = "def f(x):\n    if x < 0:\n        raise StopIteration(7)\n    return g(2 * x, 'a')\n"
    assert code_hash([source.replace(old, new)]) != code_hash([source])


NETWORK = """
from timm.models import register_model
import {layers}

@register_model
def {name}(pretrained=False, **kwargs):
    return {layers}.make()
"""


@pytest.fixture
def own_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a registered network whose module imports another."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_layers_of_test.py").write_text("WIDTH = 8\ndef make(): pass\n")
    text = NETWORK.format(layers="own_layers_of_test", name="own_network_of_test")
    (tmp_path / "own_network_of_test.py").write_text(text)
    for name in ("own_layers_of_test", "own_network_of_test"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    __import__("own_network_of_test")
    return "own_network_of_test"


def test_the_source_of_an_own_network_counts_with_what_it_imports(
    own_network: str, tmp_path: Path
) -> None:
    before = code_hash(own_sources(own_network))
    assert len(own_sources(own_network)) == 2
    (tmp_path / "own_layers_of_test.py").write_text("WIDTH = 16\ndef make(): pass\n")
    assert code_hash(own_sources(own_network)) != before


@pytest.mark.parametrize(
    ("loading", "counted"),
    [
        ('importlib.import_module("loaded_of_test.heads.small")', {"heads/small", "heads"}),
        ('import_module(".heads", "loaded_of_test")', {"heads"}),
        ('import_module(".small", "loaded_of_test.heads")', {"heads/small", "heads"}),
        ('__import__("loaded_of_test.layers")', {"layers"}),
        # All modules beside and below the one that computes a name.
        (
            "for name in names: importlib.import_module(name)",
            {"layers", "heads", "heads/small", "other"},
        ),
        ("spec_from_file_location('layers', path)", {"layers", "heads", "heads/small", "other"}),
        ("other.load('loaded_of_test.layers')", set()),
    ],
)
def test_modules_that_are_loaded_by_name_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loading: str, counted: set[str]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "loaded_of_test"
    (package / "heads").mkdir(parents=True)
    files = dict.fromkeys(("layers", "other", "heads/__init__", "heads/small"), "")
    files["__init__"] = f"def load(names, path):\n    {loading}"
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    before = code.sources_of(["loaded_of_test"])
    changed = set()
    for name in set(files) - {"__init__"}:
        (package / f"{name}.py").write_text("1")
        if code.sources_of(["loaded_of_test"]) != before:
            changed.add(name.removesuffix("/__init__"))
        (package / f"{name}.py").write_text("")
    for name in [name for name in sys.modules if name.startswith("loaded_of_test")]:
        del sys.modules[name]
    assert changed == counted


@pytest.fixture
def helped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The source of a module that is imported in a way that its importer's source does not tell."""
    monkeypatch.syspath_prepend(tmp_path)
    importing = "from importlib import import_module as load\nload('helper_of_test')\n"
    (tmp_path / "importing_of_test.py").write_text(importing)
    helper = tmp_path / "helper_of_test.py"
    helper.write_text("SCALE = 1\n")
    yield helper
    for name in ("importing_of_test", "helper_of_test"):
        sys.modules.pop(name, None)
        LOADED.pop(name, None)


def test_what_came_with_an_import_counts_as_it_was_imported(helped: Path) -> None:
    import_modules(["importing_of_test"])
    before = code.sources_of(["importing_of_test"])
    assert "SCALE = 1\n" in before
    helped.write_text("SCALE = 3\n")
    assert code.sources_of(["importing_of_test"]) == before


def test_a_module_that_was_changed_after_its_import_is_refused(helped: Path) -> None:
    import_modules(["importing_of_test"])
    import_modules(["importing_of_test"])
    helped.write_text("SCALE = 3\n")
    with pytest.raises(InputError) as caught:
        import_modules(["importing_of_test"])
    assert str(caught.value) == (
        "--import: helper_of_test was changed after it was imported; start Python again"
    )


@pytest.mark.filterwarnings("ignore:Overwriting own_network_of_test")
@pytest.mark.parametrize(
    ("start", "encoding"), [("", "utf-8-sig"), ("# coding: latin-1\n", "latin-1")]
)
def test_sources_are_read_as_python_reads_them(
    own_network: str, tmp_path: Path, start: str, encoding: str
) -> None:
    path = tmp_path / "own_layers_of_test.py"
    path.write_text(f"{start}NAME = 'café'\n", encoding=encoding)
    before = code_hash(own_sources(own_network))
    path.write_text(f"{start}NAME = 'thé'\n", encoding=encoding)
    assert code_hash(own_sources(own_network)) != before


@pytest.mark.filterwarnings("ignore:Overwriting own_network_of_test")
@pytest.mark.parametrize("source", [b"print ", b"# coding: unheard-of\n", b"# \xe9\n"])
def test_a_module_that_is_not_valid_counts_as_it_is(
    own_network: str, tmp_path: Path, source: bytes
) -> None:
    (tmp_path / "own_layers_of_test.py").write_bytes(source + b"1\n")
    before = code_hash(own_sources(own_network))
    (tmp_path / "own_layers_of_test.py").write_bytes(source + b"2\n")
    assert code_hash(own_sources(own_network)) != before


@pytest.mark.filterwarnings("ignore:Overwriting own_network_of_test")
@pytest.mark.parametrize(("folder", "counted"), [("site-packages", 2), ("src", 3)])
def test_packages_of_another_environment_do_not_count(
    own_network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, counted: int
) -> None:
    # As in a virtual environment on top of the system's packages.
    below = tmp_path / "lib" / folder
    below.mkdir(parents=True)
    (below / "library_of_test.py").write_text("X = 1\n")
    monkeypatch.syspath_prepend(below)
    monkeypatch.delitem(sys.modules, "library_of_test", raising=False)
    (tmp_path / "own_layers_of_test.py").write_text("import library_of_test\n")
    assert len(own_sources(own_network)) == counted


@pytest.mark.parametrize("name", ["resnet18", "resnet18.a1_in1k", "cifar_resnet8"])
def test_networks_of_timm_and_conebench_have_no_source_of_their_own(name: str) -> None:
    assert own_sources(name) == []


def test_a_network_without_source_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("typed_in")
    monkeypatch.setitem(sys.modules, "typed_in", module)
    source = "def typed_in_network(pretrained=False, **kwargs): pass"
    exec(source, module.__dict__)  # noqa: S102  # as an interpreter does
    module.typed_in_network.__module__ = "typed_in"
    timm.models.register_model(module.typed_in_network)
    with pytest.raises(SpecError, match="cannot be read"):
        own_sources("typed_in_network")


@pytest.mark.filterwarnings("ignore:Overwriting in_cells_network")
def test_a_network_in_the_cells_of_a_notebook_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its function's source can be read, but not that of all it uses."""
    module = ModuleType("in_cells")
    monkeypatch.setitem(sys.modules, "in_cells", module)
    source = "def in_cells_network(pretrained=False, **kwargs): pass\n"
    monkeypatch.setitem(linecache.cache, "<cell 1>", (len(source), None, [source], "<cell 1>"))
    exec(compile(source, "<cell 1>", "exec"), module.__dict__)  # noqa: S102  # as a notebook does
    module.in_cells_network.__module__ = "in_cells"
    timm.models.register_model(module.in_cells_network)
    with pytest.raises(SpecError, match=r"cannot be read.*; define it in a file"):
        own_sources("in_cells_network")


def test_the_code_of_this_process() -> None:
    found = current_code("cifar_resnet8")
    assert found == current_code("cifar_resnet20")
    assert len(found.hash) == 64


CHANGED = Code("a" * 64, "abc1234" + "0" * 33, git_dirty=True)
CLEAN = Code("b" * 64, "def5678" + "0" * 33, git_dirty=False)


def run_by(
    used: Code, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: object
) -> tuple[RecordingProgress, dict[str, object], dict[str, object]]:
    monkeypatch.setattr(context, "current_code", lambda *_: used)
    progress = RecordingProgress()
    spec = tiny_spec(**{"seeds": [0], "training": {**SHORT, "batch_size": 20}, **changes})
    record = run(spec, folder, progress)
    return progress, record.provenance.model_dump(), content(record)


SHORT = {"steps": 4, "optimizer": {"name": "sgd", "learning_rate": 0.05}}


def test_results_of_changed_code_are_stale_once_it_is_clean_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, made, changed = run_by(CHANGED, tmp_path, monkeypatch)
    assert (made["git_commit"], made["git_dirty"]) == (CHANGED.git_commit, True)
    progress, made, clean = run_by(CLEAN, tmp_path, monkeypatch)
    assert not any(cached for _, cached in progress.stages)
    stale = "stale: computed by other code (commit abc1234, changed)"
    assert progress.notes["seed 0: ordinary training"] == stale
    assert (made["git_commit"], made["git_dirty"]) == (CLEAN.git_commit, False)
    assert made["codes"] == [asdict(CLEAN)]
    assert clean == changed
    # The results of the changed code are still there for it.
    progress, made, _ = run_by(CHANGED, tmp_path, monkeypatch)
    assert all(cached for _, cached in progress.stages)
    assert made["codes"] == [asdict(CHANGED)]


def test_a_change_that_computes_nothing_taints_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_by(CLEAN, tmp_path, monkeypatch)
    harmless = Code(CLEAN.hash, "0" * 40, git_dirty=True)
    progress, made, _ = run_by(harmless, tmp_path, monkeypatch)
    assert all(cached for _, cached in progress.stages)
    assert (made["git_commit"], made["git_dirty"]) == (CLEAN.git_commit, False)


def test_one_changed_stage_taints_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_by(CLEAN, tmp_path, monkeypatch)
    for path in (tmp_path / "runs/tiny/stages").glob("probe-*"):
        path.unlink()
    changed = Code(CLEAN.hash, CHANGED.git_commit, git_dirty=True)
    _, made, _ = run_by(changed, tmp_path, monkeypatch)
    assert made["git_dirty"] is True
    assert made["codes"] == [asdict(CLEAN), asdict(changed)]
