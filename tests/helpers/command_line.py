"""`conebench ...` in this process, as a user calls it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conebench.cli import main

# A spec that runs in seconds.
TINY = """\
name: tiny
title: A tiny run
model: {name: cifar_resnet8, kwargs: {width: 2}}
dataset: {name: digits, train_size: 200, test_size: 50}
training:
  steps: 16
  batch_size: 20
  optimizer: {name: sgd, learning_rate: 0.05, momentum: 0.9}
switching: {steps: [4]}
kernel: {samples: 10, calibration_samples: 40, checkpoints: {every: 2}}
seeds: [0, 1]
"""

Call = Callable[..., tuple[int, str, str]]


def caller(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """A function of the arguments that returns exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["conebench", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        printed = capsys.readouterr()
        return caught.value.code or 0, printed.out, printed.err

    return run


def write_spec(folder: Path, name: str = "tiny", *changes: tuple[str, str]) -> str:
    """Write the tiny spec under a name, with texts replaced. Return the file's name."""
    text = TINY.replace("name: tiny", f"name: {name}")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / f"{name}.yaml").write_text(text)
    return f"{name}.yaml"
