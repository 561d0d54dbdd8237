"""Runs of one spec on this machine, in one process or several."""

from pathlib import Path

from conebench.data.datasets import Data
from conebench.record import Record
from conebench.runner.executors.processes import run_side_by_side
from conebench.runner.prepared import prepared, threads_shared_by
from conebench.runner.stages.context import RunOptions
from conebench.runner.stages.progress import Progress
from conebench.spec import Spec


def run_spec(
    spec: Spec, options: RunOptions, progress: Progress, data: Data | None = None
) -> tuple[Record, Path]:
    """Run a spec, on data read before if given. Return its record and the record's path.

    Stages with a stored result are not computed again. A stage that fails does not stop the
    others: the record names it. Raises a SpecError before any training if spec, data and network
    do not fit, a DataMissingError, a StorageError, or a RunError if no seed could be finished.
    """
    with threads_shared_by(options.jobs), prepared(spec, options, progress, data) as run:
        if options.jobs > 1:
            run_side_by_side(run.context, options, run.seeds)
        return run.finish()
