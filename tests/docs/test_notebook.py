"""docs/notebook.ipynb: its cells run in order, as written, and end in figures."""

import ast
import json
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fences import DOCS

from conebench.record import Record

PROJECT = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    return json.loads((DOCS / "notebook.ipynb").read_text("utf-8"))


def code(notebook: dict[str, Any]) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def shown(source: str, names: dict[str, Any]) -> Any:
    """Run a cell, and return what it would show: the value of an expression at its end."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)  # noqa: S102  # our own notebook
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307


def test_the_first_cell_installs_what_the_others_need(notebook) -> None:
    torch, ours = code(notebook)[0].splitlines()
    needed = {text for text in PROJECT["dependencies"] if text.startswith("torch")}
    words = torch.replace('"', "").split()
    assert words[:3] == ["%pip", "install", "-q"]
    assert {word for word in words if word.startswith("torch")} == needed
    # The page on installing names the same index.
    assert " ".join(words[-2:]) in (DOCS / "install.md").read_text("utf-8")
    # The checkout around the folder of the notebook.
    assert ours == "%pip install -q .."
    assert (DOCS / ".." / "pyproject.toml").is_file()


def test_no_results_are_stored_and_colab_starts_with_a_gpu(notebook) -> None:
    cells = notebook["cells"]
    assert all(not cell["outputs"] for cell in cells if cell["cell_type"] == "code")
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert (notebook["nbformat"], notebook["metadata"]["accelerator"]) == (4, "GPU")


def test_the_cells_run_and_end_in_figures(notebook, tmp_path: Path, monkeypatch) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    found = [shown(source, names) for source in code(notebook)[1:]]
    assert found[0] == ("first", 80, (0, 1))
    assert isinstance(found[1], Record)
    pictures = [value for value in found if hasattr(value, "_repr_svg_")]
    assert [picture.plot.key for picture in pictures] == ["path", "distance", "switch"]
    assert all(picture._repr_svg_().startswith("<svg ") for picture in pictures)
    assert sum(isinstance(value, pd.DataFrame) for value in found) == 2
    # The figure has a line for each of both runs, with a point per checkpoint.
    lines = names["axes"].get_lines()
    assert [line.get_label() for line in lines] == ["learning rate 0.1", "learning rate 0.02"]
    assert all(line.get_xdata()[-1] == 80 for line in lines)
    means = names["distance"].to_numpy(dtype=float)
    assert [line.get_ydata() for line in lines] == [pytest.approx(mean) for mean in means.T]
    matplotlib.pyplot.close("all")
