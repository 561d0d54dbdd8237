"""conebench.dependencies: which package an error is about, and what is needed."""

import importlib.metadata
import sys

import numpy as np
import pytest

from conebench import dependencies
from conebench.dependencies import broken_dependency, outdated_dependency


def raised(code: str) -> Exception:
    try:
        exec(code, {"__name__": "conebench.made_up"})  # noqa: S102
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError(code)


def test_a_missing_package_is_named_as_pip_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setitem(sys.modules, "ruamel", None)
    monkeypatch.setattr(dependencies, "version", nothing)
    message = broken_dependency(raised("import ruamel.yaml"))
    assert message == "ruamel-yaml is not installed; conebench needs ruamel-yaml>=0.18.6"


def test_a_name_that_a_package_lacks_is_its_fault() -> None:
    for code in ("from typer import no_such_name", "import typer; typer.no_such_name"):
        message = broken_dependency(raised(code))
        assert message is not None
        assert message.startswith(f"typer {importlib.metadata.version('typer')} cannot be imported")
        assert "no_such_name" in message


@pytest.mark.parametrize(
    "code",
    ["1 / 0", "import conebench.no_such_module", "from conebench.errors import no_such_name"],
)
def test_an_error_of_our_own_is_no_dependencys(code: str) -> None:
    assert broken_dependency(raised(code)) is None


def test_an_error_while_nothing_is_imported_is_no_dependencys() -> None:
    with pytest.raises(ValueError, match="negative") as caught:
        np.zeros(-1)
    assert broken_dependency(caught.value) is None


@pytest.mark.parametrize(
    ("found", "outdated"),
    [
        ("1.0.9", True),
        ("0.9.16.dev0", True),
        ("1.0.30", False),
        ("1.1", False),
        ("2.0.0+cpu", False),
    ],
)
def test_older_is_by_number(found: str, outdated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "_requirements", lambda *_: [("timm", "1.0.30")])
    monkeypatch.setattr(dependencies, "version", lambda _: found)
    assert (outdated_dependency() is not None) == outdated
