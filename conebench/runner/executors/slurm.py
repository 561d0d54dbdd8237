"""Jobs of a SLURM cluster, one per seed of a spec, through submitit.

A job does what `conebench run SPEC --seed K` does, in the run folder that all jobs share.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from conebench.errors import ExitCode, InputError, UnmetNeedError
from conebench.interrupts import stored_at_signals
from conebench.text import first_line

# Where submitit starts jobs: with sbatch, as processes of this machine, or in this process when a
# result is asked for.
Cluster = Literal["slurm", "local", "debug"]
Value = bool | int | float | str | list[str]

# A job that runs out of time so often is not requeued.
MOST_TIMEOUTS = 100
MINUTES = 60
# Parameters that submitit has under one name for all clusters. The others are sbatch's own.
SHARED = ("cpus_per_task", "gpus_per_node", "mem_gb", "name", "stderr_to_stdout", "timeout_min")
LINES = ("setup", "teardown", "srun_args")
# A job is one process, and its output has a place.
FIXED = ("additional_parameters", "nodes", "ntasks_per_node", "tasks_per_node")


@dataclass(frozen=True)
class Job:
    """A run that returns an exit code, as a job that continues where it was stopped."""

    run: Callable[[], int]

    def __call__(self) -> None:
        """Run. Before the end of the job's time, or preempted, store the state and requeue."""
        warning = signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]
        with stored_at_signals(warning) as received:
            code = self.run()
        if received and code == ExitCode.TERMINATED:
            # Now submitit's own handler is back: it calls `checkpoint`, requeues and exits.
            signal.raise_signal(warning)
        if code:
            sys.exit(code)

    def checkpoint(self) -> Any:
        """Return what a requeued job calls: the same, since the run folder has the state."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def parse_arguments(texts: Sequence[str]) -> dict[str, Value]:
    """Read NAME=VALUE texts as parameters of submitit. `time` is in minutes.

    >>> parse_arguments(["time=240", "partition=gpu"])
    {'timeout_min': 240, 'slurm_partition': 'gpu'}
    """
    found: dict[str, Value] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.isidentifier() and equals and value):
            raise InputError(f"--slurm-args: got {text!r}, expected NAME=VALUE")
        if name in FIXED:
            raise InputError(f"--slurm-args: got {text!r}; a job is one process on one node")
        parameter = {"time": "timeout_min"}.get(name, name)
        if parameter == "timeout_min" and not (value.isdecimal() and int(value)):
            raise InputError(f"--slurm-args: got {text!r}, expected a number of minutes")
        key = parameter if parameter in SHARED else f"slurm_{parameter}"
        found[key] = [value] if parameter in LINES else _value(value)
    return found


def _value(text: str) -> Value:
    """Read a number, true or false where the text is one."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def submit(
    runs: Sequence[Callable[[], int]], logs: Path, cluster: Cluster, arguments: dict[str, Value]
) -> list[Any]:
    """Submit runs as one array of jobs, and return submitit's jobs.

    Raises an UnmetNeedError without submitit or SLURM, or if sbatch refuses; an InputError for
    arguments that submitit does not take.
    """
    option = "--executor slurm-local" if cluster == "local" else "--executor slurm"
    try:
        import submitit
    except ModuleNotFoundError:
        raise UnmetNeedError(f"{option}: submitit is not installed; pip install submitit") from None
    limits = {f"{name}_max_num_timeout": MOST_TIMEOUTS for name in ("slurm", "local")}
    try:
        executor = submitit.AutoExecutor(logs, cluster, **limits)
        executor.update_parameters(name="conebench", timeout_min=MINUTES)
        _update(executor, arguments)
        # submitit prints what it raises too.
        with redirect_stderr(StringIO()):
            jobs: list[Any] = executor.submit_array([Job(run) for run in runs])
    # The second for all that sbatch says.
    except (OSError, RuntimeError) as error:
        raise UnmetNeedError(f"{option}: {first_line(error)}") from None
    return jobs


def _update(executor: Any, arguments: dict[str, Value]) -> None:
    """Set parameters one by one, so that a message names the wrong one."""
    for name, value in arguments.items():
        try:
            executor.update_parameters(**{name: value})
        except (AssertionError, NameError, TypeError, ValueError) as error:
            # What follows lists all names.
            reason = first_line(error).partition(" Valid")[0]
            raise InputError(f"--slurm-args: {name.removeprefix('slurm_')}: {reason}") from None
