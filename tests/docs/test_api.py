"""docs/api.md: its examples run, and its signatures are those of the code."""

import doctest
import importlib
import inspect
import re
import tempfile
from pathlib import Path

import pytest
from fences import blocks

SIGNATURES = [
    (module, line)
    for _, text in blocks("api.md", "python")
    for module, calls in re.findall(r"from (\S+) import .*\n\n((?:.+\n)+)", text)
    for line in calls.splitlines()
]


def test_the_examples_give_what_the_page_shows(monkeypatch, tmp_path) -> None:
    # Runs of the examples go elsewhere.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(Path(__file__).parents[2])
    text = "\n".join(text for _, text in blocks("api.md", "pycon"))
    examples = doctest.DocTestParser().get_doctest(text, {}, "api.md", "docs/api.md", 0)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples, out=said.append)
    assert "".join(said) == ""
    assert len(examples.examples) > 50


@pytest.mark.parametrize(("module", "written"), SIGNATURES, ids=lambda text: text.split("(")[0])
def test_signatures_are_those_of_the_code(module, written) -> None:
    name = written.partition("(")[0]
    signature = inspect.signature(getattr(importlib.import_module(module), name))
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    found = signature.replace(parameters=bare, return_annotation=signature.empty)
    assert written.replace('"', "'") == f"{name}{found}"
