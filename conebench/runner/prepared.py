"""One run of one spec: checks and locks before its stages, the record after them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from conebench.data.datasets import Data
from conebench.errors import RunError, StageFailedError
from conebench.record import (
    METHOD,
    SCHEMA_VERSION,
    DataFacts,
    Failure,
    ModelFacts,
    Record,
    SeedResult,
    derive_summary,
    record_text,
)
from conebench.record.plausible import MOST_FAILURES
from conebench.runner.assembly import gather_seed, seed_result
from conebench.runner.metrics import JsonLines, LoggedProgress, Logger, check_loggers, open_logger
from conebench.runner.preflight import CheckedNetwork, check_context
from conebench.runner.provenance import gather_provenance, imported_modules
from conebench.runner.stages.context import Context, RunOptions, open_context
from conebench.runner.stages.planned import adopt_older_results, write_plan
from conebench.runner.stages.progress import Progress
from conebench.runner.stages.results import NotFinishedError, Stages
from conebench.spec import Spec
from conebench.storage.manifest import read_manifest

OLDER = (
    "some stages were computed by an older conebench, which did not store its code; run again in "
    "another folder to submit the record"
)


@contextmanager
def threads_shared_by(jobs: int) -> Iterator[None]:
    """Split torch's threads between the processes."""
    before = torch.get_num_threads()
    # In this process too: the thread count affects the last bits of a result.
    if jobs > 1:
        torch.set_num_threads(max(1, before // jobs))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Run:
    """A checked spec whose seeds are locked for this process."""

    context: Context
    options: RunOptions
    network: CheckedNetwork
    seeds: list[int]

    def finish(self) -> tuple[Record, Path]:
        """Write the record, from stages stored or computed now.

        Raises a RunError if no seed could be finished.
        """
        store = self.context.store
        stages = Stages(self.context, announce_stored=self.options.jobs == 1)
        results = _results(stages, self.seeds)
        with store.locked("folder"):
            record = _record(stages, results, self.network, self.options)
            kept = store.keep_other_record(record.spec_hash)
            if kept:
                note = f"the record of the former spec is kept as {kept.name}"
                self.context.progress.stage("record", note=note)
            store.save_record(record_text(record))
        return record, store.record_path


@contextmanager
def prepared(
    spec: Spec, options: RunOptions, progress: Progress, data: Data | None = None
) -> Iterator[Run]:
    """Check a spec, read its data unless given, and lock its seeds."""
    context = open_context(spec, options, progress, data)
    check_loggers(options.loggers)
    for note in context.data.notes:
        progress.stage("data", note=note)
    store = context.store
    store.check_layout()
    network = check_context(context)
    chosen = [s for s in spec.seeds if options.seeds is None or s in options.seeds]
    with store.locked("folder"):
        store.set_aside_damaged_record()
        adopt_older_results(context)
        write_plan(context)
    with ExitStack() as locks:
        # In one order, or two processes could wait for each other.
        for seed in sorted(chosen):
            locks.enter_context(store.locked(f"seed{seed}"))
            # Stages that failed before are tried again.
            store.forget_failures(seed)
        progress.plan(sum(_missing_work(context, seed) for seed in chosen))
        loggers: list[Logger] = [JsonLines(store.folder, spec)]
        for name in options.loggers:
            loggers.append(open_logger(name, store.folder, spec))
            locks.callback(loggers[-1].close)
        logged = replace(context, progress=LoggedProgress(progress, loggers))
        yield Run(logged, options, network, chosen)


def _record(
    stages: Stages, results: dict[int, SeedResult], network: CheckedNetwork, options: RunOptions
) -> Record:
    """Make the record of all seeds that are finished in this folder."""
    context, spec = stages.context, stages.context.spec
    # Seeds of other runs are taken as far as they are stored.
    stages.compute_missing = False
    for seed in set(spec.seeds) - set(results):
        with suppress(NotFinishedError):
            results |= _results(stages, [seed])
    seeds = [results[seed] for seed in spec.seeds if seed in results]
    if None in stages.codes:
        context.progress.stage("record", note=OLDER)
    failures = [error for _, error in sorted(stages.failures.items())]
    if not seeds:
        raise RunError("\n".join(error.reason for error in stages.failures.values()))
    return Record(
        schema_version=SCHEMA_VERSION,
        spec=spec,
        spec_hash=spec.hash,
        status="partial" if len(seeds) < len(spec.seeds) or failures else "complete",
        data=_data_facts(context),
        model=ModelFacts(
            parameters=network.parameters,
            imported=imported_modules(spec.model.name, context.imports),
        ),
        seeds=seeds,
        failures=[
            # A text of a record has at most 500 characters.
            Failure(seed=error.seed, stage=error.stage, reason=error.reason[:500])
            for error in failures[:MOST_FAILURES]
        ]
        or None,
        summary=derive_summary(spec, seeds, len(context.data.test)),
        provenance=gather_provenance(
            options.device,
            stages.wall_seconds,
            network.kernel_plan,
            options.jobs,
            stages.codes,
            cuda_graphs=options.cuda_graphs,
        ),
        method=METHOD,
    )


def _results(stages: Stages, seeds: Sequence[int]) -> dict[int, SeedResult]:
    """Return the results of seeds whose training and kernels did not fail."""
    results = {}
    for seed in seeds:
        with suppress(StageFailedError):
            results[seed] = seed_result(seed, gather_seed(stages, seed))
    return results


def _missing_work(context: Context, seed: int) -> float:
    """Add up the work still to do for a seed, in passes of one image."""
    planned = (p for p in read_manifest(context.store).stages if p.seed == seed)
    return sum(p.work for p in planned if not context.store.has_result(p.stage))


def _data_facts(context: Context) -> DataFacts:
    data = context.data
    return DataFacts(
        name=context.spec.dataset.shown_name,
        hash=data.hash,
        train_images=len(data.train),
        test_images=len(data.test),
        classes=len(data.classes),
        channels=data.train.pixels.shape[1],
        image_size=data.train.pixels.shape[2],
    )
