"""One run of one spec: its stages in order, then its record."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from conebench.data.datasets import Data
from conebench.errors import RunError, StageFailedError
from conebench.record import (
    METHOD,
    SCHEMA_VERSION,
    ArmResult,
    ChaosResult,
    DataFacts,
    Failure,
    ModelFacts,
    Record,
    SeedResult,
    TriedRate,
    derive_groups,
    derive_stretches,
    derive_summary,
    record_text,
)
from conebench.runner.preflight import NetworkFacts, check_context
from conebench.runner.provenance import gather_provenance
from conebench.runner.stages.arms import ArmEnd, best_of
from conebench.runner.stages.context import Context, RunOptions, open_context
from conebench.runner.stages.progress import Progress
from conebench.runner.stages.results import NotFinishedError, Stages
from conebench.runner.stages.training import Trained
from conebench.spec import Spec
from conebench.spec.arms import Arm, PerturbedCopy, Rate
from conebench.storage.manifest import read_manifest


@contextmanager
def threads_shared_by(jobs: int) -> Iterator[None]:
    """Each process has its share of the threads, this one too: their number decides last bits."""
    before = torch.get_num_threads()
    if jobs > 1:
        torch.set_num_threads(max(1, before // jobs))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Run:
    """A spec whose checks have passed and whose seeds no other process works at meanwhile."""

    context: Context
    options: RunOptions
    facts: NetworkFacts
    seeds: list[int]

    def is_finished(self) -> bool:
        """Whether every stage has a result."""
        return all(_is_finished(self.context, seed) for seed in self.seeds)

    def finish(self, *, compute_missing: bool = True) -> tuple[Record, Path]:
        """Write the record, after the stages that have no result yet if these are to be computed.

        Raises a RunError where no seed could be finished.
        """
        store = self.context.store
        stages = Stages(self.context, compute_missing, announce_stored=self.options.jobs == 1)
        results = _results(stages, self.seeds)
        with store.locked("folder"):
            record = _record(stages, results, self.facts, self.options)
            store.save_record(record_text(record))
        return record, store.record_path


@contextmanager
def prepared(
    spec: Spec, options: RunOptions, progress: Progress, data: Data | None = None
) -> Iterator[Run]:
    """Check a spec, read its data unless they are given, and lock its seeds."""
    context = open_context(spec, options, progress, data)
    for note in context.data.notes:
        progress.stage("data", note=note)
    store = context.store
    store.check_layout()
    facts = check_context(context)
    chosen = [s for s in spec.seeds if options.seeds is None or s in options.seeds]
    with store.locked("folder"):
        store.check_record()
        Stages(context).update_manifest()
    with ExitStack() as locks:
        # In one order, or two processes could wait for each other.
        for seed in sorted(chosen):
            locks.enter_context(store.locked(f"seed{seed}"))
            store.forget_failures(seed)
        progress.plan(sum(_missing_work(context, seed) for seed in chosen))
        yield Run(context, options, facts, chosen)


def _record(
    stages: Stages, results: dict[int, SeedResult], facts: NetworkFacts, options: RunOptions
) -> Record:
    """The record of these seeds, and of those that other runs in this folder finished."""
    context, spec = stages.context, stages.context.spec
    stages.compute_missing = False
    for seed in set(spec.seeds) - set(results):
        with suppress(NotFinishedError):
            results |= _results(stages, [seed])
    seeds = [results[seed] for seed in spec.seeds if seed in results]
    if not seeds:
        raise RunError("\n".join(stages.failures.values()))
    return Record(
        schema_version=SCHEMA_VERSION,
        spec=spec,
        spec_hash=spec.hash,
        status="partial" if len(seeds) < len(spec.seeds) or stages.failures else "complete",
        data=_data_facts(context),
        model=ModelFacts(parameters=facts.parameters),
        seeds=seeds,
        failures=[_failure(*failure) for failure in sorted(stages.failures.items())] or None,
        summary=derive_summary(seeds),
        provenance=gather_provenance(
            options.device, stages.wall_seconds, facts.kernel_plan, options.jobs
        ),
        method=METHOD,
    )


def _failure(label: str, reason: str) -> Failure:
    seed, _, stage = label.removeprefix("seed ").partition(": ")
    return Failure(seed=int(seed), stage=stage, reason=reason[:500])


def _results(stages: Stages, seeds: Sequence[int]) -> dict[int, SeedResult]:
    """Results of seeds, but for those whose training or kernels failed."""
    results = {}
    for seed in seeds:
        with suppress(StageFailedError):
            results[seed] = _seed_result(stages, seed)
    return results


def _is_finished(context: Context, seed: int) -> bool:
    try:
        _seed_result(Stages(context, compute_missing=False), seed)
    except NotFinishedError:
        return False
    return True


def _seed_result(stages: Stages, seed: int) -> SeedResult:
    found = stages.trajectory(seed)
    arms = _arm_results(stages, seed, found.arms(stages.context))
    return SeedResult(
        seed=seed,
        training=found.trained.curve,
        kernel=found.kernel,
        arms=[_full_arm(found.trained), *arms],
        phases=found.phases,
        cone=found.cone,
        groups=derive_groups(stages.context.spec, found.kernel),
        stretches=derive_stretches(stages.context.spec, found.kernel, found.phases.T_star),
        chaos=_chaos_results(stages, seed, found.copies(stages.context)),
    )


def _arm_results(stages: Stages, seed: int, arms: Sequence[Arm]) -> list[ArmResult]:
    """Every arm with every learning rate it is to be trained with, each arm's best kept.

    Those that failed are left out.
    """
    results = []
    settled: dict[int, Rate] = {}
    for arm in arms:
        if arm.kind == "control" and arm.start not in settled:
            # The arm that it is a control for failed.
            continue
        rates = (settled[arm.start],) if arm.kind == "control" else arm.rates
        try:
            ends = [stages.arm(seed, arm, rate) for rate in rates]
        except StageFailedError:
            continue
        best, tried = best_of(rates, ends)
        if arm.name == "switched":
            settled[arm.start] = rates[best]
        results.append(_arm_result(arm, rates[best], ends[best], tried))
    return results


def _chaos_results(
    stages: Stages, seed: int, copies: Sequence[PerturbedCopy]
) -> list[ChaosResult] | None:
    """Every comparison in the order of the spec's pairs; None without a chaos section.

    Those of copies that failed are left out.
    """
    chaos = stages.context.spec.chaos
    if chaos is None:
        return None
    results: list[ChaosResult] = []
    for copy in copies:
        with suppress(StageFailedError):
            results += stages.comparisons(seed, copy).pairs
    return sorted(results, key=lambda result: chaos.pairs.index((result.t0, result.t1)))


def _arm_result(arm: Arm, rate: Rate, end: ArmEnd, tried: list[TriedRate]) -> ArmResult:
    return ArmResult(
        arm=arm.name,
        step=arm.start,
        status=end.status,
        diverged_at=end.diverged_at,
        test_accuracy=end.test_accuracy,
        test_loss=end.test_loss,
        learning_rate=None if rate == "inherit" else rate,
        tried=tried if len(tried) > 1 else None,
    )


def _full_arm(trained: Trained) -> ArmResult:
    finished = trained.status == "finished"
    return ArmResult(
        arm="full",
        step=None,
        status=trained.status,
        diverged_at=trained.diverged_at,
        test_accuracy=trained.curve.test_accuracy[-1] if finished else None,
        test_loss=trained.curve.test_loss[-1] if finished else None,
    )


def _missing_work(context: Context, seed: int) -> float:
    """Work of one seed's stages without a result, in passes of one image."""
    planned = (p for p in read_manifest(context.store).stages if p.seed == seed)
    return sum(p.work for p in planned if not context.store.has_result(p.stage))


def _data_facts(context: Context) -> DataFacts:
    data = context.data
    return DataFacts(
        name=context.spec.dataset.label,
        hash=data.hash,
        train_images=len(data.train),
        test_images=len(data.test),
        classes=len(data.classes),
        channels=data.train.pixels.shape[1],
        image_size=data.train.pixels.shape[2],
    )
