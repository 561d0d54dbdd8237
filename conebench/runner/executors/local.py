"""Run one spec in this process, or in several side by side."""

from pathlib import Path

from conebench.record import (
    Record,
)
from conebench.runner.executors.processes import run_side_by_side
from conebench.runner.prepared import prepared, threads_shared_by
from conebench.runner.stages.context import RunOptions
from conebench.runner.stages.progress import Progress
from conebench.spec import Spec


def run_spec(spec: Spec, options: RunOptions, progress: Progress) -> tuple[Record, Path]:
    """Run every stage whose result is not stored yet; returns the record and its path.

    Raises a SpecError before any training where spec, data and network do not fit, a
    DataMissingError, a StorageError, or a RunError where no seed could be finished. Stages that
    failed do not stop the others: the record names them.
    """
    with threads_shared_by(options.jobs), prepared(spec, options, progress) as run:
        if options.jobs > 1 and not run.is_finished():
            run_side_by_side(run.context, options, run.seeds)
        return run.finish()
