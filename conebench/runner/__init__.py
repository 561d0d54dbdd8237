"""Runs: from a spec to its record, stage by stage."""

from conebench.runner.executors.local import run_spec
from conebench.runner.stages.context import RunOptions
from conebench.runner.stages.progress import Progress, SilentProgress

__all__ = ["Progress", "RunOptions", "SilentProgress", "run_spec"]
