"""A record's spec and seeds run again, as it was run."""

from dataclasses import replace

import torch

from conebench.errors import RecordError, RunError
from conebench.record import Record
from conebench.runner.executors.local import run_spec
from conebench.runner.stages.context import RunOptions
from conebench.runner.stages.progress import Progress


def replay(record: Record, options: RunOptions, progress: Progress) -> Record:
    """The record that the same spec gives here, with as many threads and as much kernel memory.

    Seeds are those of the options, else all that the record has. Raises what a run raises, a
    RunError where a stage failed, and a RecordError where the images are not those of the record.
    """
    build = record.provenance.kernel_build
    memory = build.memory_limit_bytes if build else None
    seeds = options.seeds or tuple(seed.seed for seed in record.seeds)
    before = torch.get_num_threads()
    torch.set_num_threads(record.provenance.cpu_threads)
    try:
        options = replace(options, seeds=seeds, kernel_memory=options.kernel_memory or memory)
        replayed, _ = run_spec(record.spec, options, progress)
    finally:
        torch.set_num_threads(before)
    if replayed.failures:
        raise RunError("\n".join(failure.reason for failure in replayed.failures))
    if replayed.data.hash != record.data.hash:
        raise RecordError(
            f"data.hash: got {record.data.hash[:12]}..., the images here have "
            f"{replayed.data.hash[:12]}...: they are not those of the record"
        )
    kept = [seed for seed in replayed.seeds if seed.seed in seeds]
    return replayed.model_copy(update={"seeds": kept})
