"""Shared settings of the tests."""

import inspect
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import jaxtyping
import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# The networks of the tests are too small for more threads to pay, and runs that are compared bit
# for bit, in this process and in others, need the same number.
os.environ["OMP_NUM_THREADS"] = "1"

# Without compiled files, each process of a test compiles torch again, which takes 18 s.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell ignores interrupts for what it runs in the background, and its children would too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more of the machine than of the code. The same examples each time,
# but for `make fuzz`.
settings.register_profile("any machine", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=1_000, print_blob=True)
settings.load_profile("any machine")

jaxtyped = jaxtyping.jaxtyped


def check_shapes(*, typechecker: Any) -> Callable[[Any], Any]:
    """Check functions whose signature has a shape; mypy checks the others."""

    def decorate(checked: Any) -> Any:
        shaped = any(map(has_shape, inspect.get_annotations(checked).values()))
        return jaxtyped(typechecker=typechecker)(checked) if shaped else checked

    return decorate


def has_shape(hint: Any) -> bool:
    """Return True if a type is an array with a shape, or has one inside."""
    if isinstance(hint, str):  # jaxtyped resolves it
        return True
    if isinstance(hint, list):  # arguments of a Callable
        return any(map(has_shape, hint))
    array = inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray)
    return array or any(map(has_shape, get_args(hint)))


# The import hook puts `jaxtyping.jaxtyped` on every function. To check those without a shape would
# double the time of a run.
jaxtyping.jaxtyped = check_shapes

# Shapes in the signatures of the mathematics are checked in every test.
install_import_hook(
    [
        "conebench.analysis",
        "conebench.networks.perturbation",
        "conebench.entk",
        "conebench.linearize",
        "conebench.networks.noise",
        "conebench.networks.reference",
        "conebench.networks.referee",
        "conebench.networks.scaled_output",
    ],
    "beartype.beartype",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the device of the tests in tests/gpu, which run in small without a GPU."""
    parser.addoption("--device", choices=["auto", "cpu", "cuda"], default="auto")


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `conebench ...` in an empty folder; returns exit code, stdout, stderr."""
    # After the import hook: this imports the mathematics.
    from command_line import caller

    monkeypatch.chdir(tmp_path)
    return caller(monkeypatch, capsys)
