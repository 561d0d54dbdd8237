"""`conebench doctor`, as a user meets it."""

import sys
from pathlib import Path

import pytest
from command_line import Call

from conebench import __version__, dependencies


def test_doctor_of_a_sound_environment(call: Call, tmp_path: Path) -> None:
    (tmp_path / "data/cifar10-jpeg").mkdir(parents=True)
    code, out, err = call("doctor", "--data-root", str(tmp_path / "data"))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"conebench {__version__}, Python 3.")
    assert lines[1].startswith("packages   ")
    assert "torch 2." in lines[1]
    assert lines[2].startswith("device     on ")
    assert lines[3] == f"data root  {tmp_path}/data"
    assert lines[4] == "           holds cifar10-jpeg; digits comes with conebench"


def test_doctor_names_what_is_missing(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = [("timm", "99.0"), ("no-such-package", "1.0")]
    monkeypatch.setattr(dependencies, "_requirements", lambda *_: iter(needed))
    code, out, _ = call("doctor", "--data-root", str(tmp_path / "none"))
    assert code == 3
    lines = out.splitlines()
    assert lines[2].startswith("           timm 1.")
    assert lines[2].endswith(" is too old; conebench needs timm>=99.0")
    assert lines[3] == (
        "           no-such-package is not installed; conebench needs no-such-package>=1.0"
    )
    assert lines[4] == f"data root  {tmp_path}/none (not there)"


def test_a_data_root_that_was_named_must_be_there(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = call("doctor", "--data-root", "none")
    assert (code, "data root  none (not there)" in out) == (3, True)
    monkeypatch.setenv("CONEBENCH_DATA", "none")
    assert call("doctor")[0] == 3
    monkeypatch.delenv("CONEBENCH_DATA")
    monkeypatch.setattr(sys.modules["conebench.cli.doctor"], "DATA_ROOT", tmp_path / "data")
    # The first download makes the default one.
    assert call("doctor", "--data-root", str(tmp_path / "data"))[0] == 0


@pytest.mark.parametrize(
    ("programs", "line"),
    [
        ({}, "not possible: git is not installed"),
        (
            {"git": "exit 0"},
            "checks records in a clone of conebench; --open-pr shows the steps of a pull request: "
            "gh is not installed (https://cli.github.com)",
        ),
        (
            {"git": "exit 0", "gh": "exit 1"},
            "checks records in a clone of conebench; --open-pr shows the steps of a pull request: "
            "gh is not logged in: call gh auth login",
        ),
        (
            {"git": "exit 0", "gh": "exit 0"},
            "checks records in a clone of conebench; --open-pr opens pull requests",
        ),
    ],
)
def test_doctor_says_what_submit_can_do(
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    programs: dict[str, str],
    line: str,
) -> None:
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert f"submit     {line}\n" in call("doctor")[1]
