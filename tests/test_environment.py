"""conebench.environment: variables that are set for a while."""

import os

import pytest

from conebench.environment import variable_set


@pytest.mark.parametrize("before", [None, "4"])
def test_a_variable_is_set_for_a_while(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONEBENCH_TEST", raising=False)
    if before is not None:
        monkeypatch.setenv("CONEBENCH_TEST", before)
    with variable_set("CONEBENCH_TEST", "1"):
        assert os.environ["CONEBENCH_TEST"] == "1"
    assert os.environ.get("CONEBENCH_TEST") == before


def fail() -> None:
    with variable_set("CONEBENCH_TEST", "1"):
        raise ValueError("failed")


def test_an_error_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONEBENCH_TEST", raising=False)
    with pytest.raises(ValueError, match="failed"):
        fail()
    assert "CONEBENCH_TEST" not in os.environ
