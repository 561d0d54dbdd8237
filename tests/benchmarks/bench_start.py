"""Time commands that need no network, against the interpreter's own start."""

import subprocess
import sys

import pytest

COMMANDS = {
    "python": ["-c", "pass"],
    "version": ["-m", "conebench", "--version"],
    "help": ["-m", "conebench", "--help"],
    "validate": ["-m", "conebench", "validate", "specs/digits.yaml"],
    "list": ["-m", "conebench", "list"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_start(benchmark, name: str) -> None:
    benchmark.group = "start"
    command = [sys.executable, *COMMANDS[name]]
    benchmark.pedantic(
        lambda: subprocess.run(command, capture_output=True, check=True), rounds=10, warmup_rounds=1
    )
