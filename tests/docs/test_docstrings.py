"""Docstrings of the mathematics: examples run, and no public function lacks one."""

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Callable

import pytest

PACKAGES = ("analysis", "analysis.study", "entk", "linearize", "networks")
# Their functions are public through the package's face, or where there is none, by their module.
FACES = (*("analysis", "analysis.study", "entk", "linearize", "networks.perturbation", "seeding"),)


def _modules() -> list[str]:
    return ["conebench.seeding"] + [
        f"conebench.{package}.{module.name}"
        for package in PACKAGES
        for module in pkgutil.iter_modules(importlib.import_module(f"conebench.{package}").__path__)
    ]


def _public_functions() -> dict[str, Callable[..., object]]:
    found = {}
    for face in FACES:
        module = importlib.import_module(f"conebench.{face}")
        for name in getattr(module, "__all__", vars(module)):
            value = getattr(module, name)
            is_own = getattr(value, "__module__", "").startswith(module.__name__)
            if inspect.isfunction(value) and is_own and not name.startswith("_"):
                found[f"{face}.{name}"] = value
    return found


@pytest.mark.parametrize("name", _modules())
def test_examples_give_what_they_show(name: str) -> None:
    said: list[str] = []
    for examples in doctest.DocTestFinder().find(importlib.import_module(name)):
        doctest.DocTestRunner().run(examples, out=said.append)
    assert not said, "".join(said)


@pytest.mark.parametrize("name", _public_functions())
def test_a_public_function_says_what_it_takes_and_gives(name: str) -> None:
    function = _public_functions()[name]
    text = inspect.getdoc(function) or ""
    assert ">>>" in text
    assert "Args:" in text or "Arguments and errors are those of `" in text
    gives_nothing = inspect.signature(function).return_annotation is None
    assert gives_nothing or "Returns:" in text or "Yields:" in text
