"""Runs: from a spec to its record, stage by stage, resuming where the last run stopped."""

from conebench.runner.progress import Progress, SilentProgress
from conebench.runner.run import RunOptions, run_spec

__all__ = ["Progress", "RunOptions", "SilentProgress", "run_spec"]
