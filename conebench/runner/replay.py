"""Replay: a record's spec and seeds run again."""

from dataclasses import replace

import torch

from conebench.data.datasets import load_data
from conebench.errors import RecordError, RunError
from conebench.record import Record
from conebench.runner.executors.local import run_spec
from conebench.runner.stages.context import RunOptions
from conebench.runner.stages.progress import Progress


def replay(record: Record, options: RunOptions, progress: Progress) -> Record:
    """Run a record's spec again, as the record was made.

    Seeds are those of the options, else all that the record has. Raises a RunError if a stage
    failed, a RecordError if the images are not those of the record.
    """
    # First, or other images would be found only after hours of work.
    data = load_data(record.spec.dataset, options.data_root, options.device)
    if data.hash != record.data.hash:
        raise RecordError(
            f"data.hash: the images here differ from the record's (hash {data.hash[:12]}, record "
            f"{record.data.hash[:12]})"
        )
    # The number of threads and the size of a pass decide the last bits, so both are the record's.
    build = record.provenance.kernel_build
    memory = build.memory_limit_bytes if build else None
    seeds = options.seeds or tuple(seed.seed for seed in record.seeds)
    before = torch.get_num_threads()
    torch.set_num_threads(record.provenance.cpu_threads)
    try:
        options = replace(options, seeds=seeds, kernel_memory=options.kernel_memory or memory)
        replayed, _ = run_spec(record.spec, options, progress, data)
    finally:
        torch.set_num_threads(before)
    if replayed.failures:
        raise RunError("\n".join(failure.reason for failure in replayed.failures))
    # A folder given by the user may hold other seeds too.
    kept = [seed for seed in replayed.seeds if seed.seed in seeds]
    return replayed.model_copy(update={"seeds": kept})
