"""`conebench doctor`, as a user meets it."""

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
    assert lines[4] == "           holds cifar10-jpeg; digits comes with scikit-learn"


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
