"""conebench.networks.imported: modules by name, and the packages that they are from."""

import importlib
import sys
from pathlib import Path

import pytest

from conebench.errors import InputError
from conebench.networks.imported import import_modules, package_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]
    importlib.invalidate_caches()


def test_a_module_of_the_current_folder_is_imported(folder: Path) -> None:
    (folder / "own_module_here.py").write_text("import pathlib\npathlib.Path('ran').touch()\n")
    import_modules(["own_module_here"])
    assert (folder / "ran").exists()
    assert package_of("own_module_here") is None


def test_what_a_module_prints_is_no_result(folder: Path, capsys) -> None:
    (folder / "prints_at_import.py").write_text("print('hello')\n")
    import_modules(["prints_at_import"])
    assert capsys.readouterr() == ("", "hello\n")


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "BaseException"])
def test_any_error_of_a_module_is_one_line_but_an_interrupt(folder: Path, error: str) -> None:
    (folder / f"raises_{error.lower()}.py").write_text(f"raise {error}('no')\n")
    expected = KeyboardInterrupt if error == "KeyboardInterrupt" else InputError
    with pytest.raises(expected):
        import_modules([f"raises_{error.lower()}"])


def test_no_file_of_the_current_folder_stands_in_for_a_library(folder: Path) -> None:
    (folder / "numpy.py").write_text("raise RuntimeError\n")
    import_modules(["numpy"])
    assert sys.path[-1] == str(folder)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "ModuleNotFoundError: No module named 'broken_module_here'"),
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named"),
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("raise ValueError('one\\ntwo')", "ValueError: one"),
        ("{}['key']", "KeyError: 'key'"),
        ("raise ValueError", "ValueError"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
    ],
)
def test_what_cannot_be_imported_is_one_line(folder: Path, source: str | None, reason: str) -> None:
    if source is not None:
        (folder / "broken_module_here.py").write_text(source)
    with pytest.raises(InputError) as caught:
        import_modules(["broken_module_here"])
    assert str(caught.value).startswith(
        f"--import: broken_module_here cannot be imported: {reason}"
    )
    assert "\n" not in str(caught.value)


def install(site: Path, *, direct_url: bool) -> None:
    """Write a package as an installer does."""
    (site / "own_package").mkdir(parents=True)
    (site / "own_package/__init__.py").write_text("")
    facts = site / "own_package-1.2.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: Own_Package\nVersion: 1.2\n")
    (facts / "top_level.txt").write_text("own_package\n")
    if direct_url:
        (facts / "direct_url.json").write_text('{"url": "file:///x", "dir_info": {}}')


@pytest.mark.parametrize(("direct_url", "found"), [(False, "own-package==1.2"), (True, None)])
def test_the_package_of_a_module_counts_if_it_is_from_an_index(
    folder: Path, direct_url: bool, found: str | None
) -> None:
    install(folder / "site", direct_url=direct_url)
    sys.path.append(str(folder / "site"))
    import_modules(["own_package"])
    assert package_of("own_package") == found


def test_a_folder_of_the_same_name_is_not_the_package(folder: Path) -> None:
    install(folder / "site", direct_url=False)
    sys.path.append(str(folder / "site"))
    (folder / "nearer/own_package").mkdir(parents=True)
    (folder / "nearer/own_package/__init__.py").write_text("")
    sys.path.insert(0, str(folder / "nearer"))
    import_modules(["own_package"])
    assert package_of("own_package") is None
