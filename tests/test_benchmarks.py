"""The benchmarks that `make bench` runs."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def test_all_benchmarks_can_be_collected_as_make_bench_does() -> None:
    command = [sys.executable, "-m", "pytest", "tests/benchmarks", "--noconftest", "-q"]
    options = ["-o", "python_files=bench_*.py", "--collect-only", "-p", "no:cacheprovider"]
    # What this test run was told (coverage, a worker's name) is not for that one.
    environment = {name: value for name, value in os.environ.items() if "PYTEST_" not in name}
    done = subprocess.run(
        [*command, *options],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
