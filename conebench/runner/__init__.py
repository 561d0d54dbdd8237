"""Runs: from a spec to its record, stage by stage, resuming where the last run stopped."""

from conebench.runner.context import RunOptions
from conebench.runner.progress import Progress, SilentProgress
from conebench.runner.run import run_spec

__all__ = ["Progress", "RunOptions", "SilentProgress", "run_spec"]
