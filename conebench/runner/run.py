"""One run of one spec: its stages in order, then its record."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import BaseModel, ValidationError

from conebench.data import load_data
from conebench.entk import default_memory_limit
from conebench.errors import ConebenchError, RunError
from conebench.model import first_line
from conebench.record import (
    SCHEMA_VERSION,
    ArmResult,
    DataFacts,
    KernelTrajectory,
    ModelFacts,
    Record,
    SeedResult,
    TriedRate,
    derive_geometry,
    derive_summary,
    record_text,
)
from conebench.runner.arms import (
    Arm,
    ArmEnd,
    Rate,
    arm_stage,
    arm_work,
    choose_rate,
    plan_arms,
    run_arm,
)
from conebench.runner.context import Context
from conebench.runner.preflight import check_context
from conebench.runner.progress import Progress
from conebench.runner.provenance import gather_provenance
from conebench.runner.trajectory import (
    Trained,
    checkpoints_are_whole,
    kernel_stage,
    kernel_work,
    run_kernels,
    run_training,
    train_stage,
    training_work,
)
from conebench.spec import Spec
from conebench.store import Stage, StageResult, Store

ResultT = TypeVar("ResultT", bound=BaseModel)


@dataclass(frozen=True)
class RunOptions:
    """How a spec is run; `seeds` None means all of the spec's.

    `kernel_memory` is the bytes that one kernel may take, None a quarter of what is free.
    """

    data_root: Path
    run_dir: Path
    device: torch.device
    seeds: tuple[int, ...] | None = None
    kernel_memory: int | None = None


def run_spec(spec: Spec, options: RunOptions, progress: Progress) -> tuple[Record, Path]:
    """Run every stage whose result is not stored yet; returns the record and its path.

    Raises a SpecError before any training where spec, data and network do not fit, a
    DataMissingError, a StorageError, or a RunError where a stage failed.
    """
    data = load_data(spec.dataset, options.data_root, options.device)
    store = Store(options.run_dir / spec.name)
    kernel_memory = options.kernel_memory or default_memory_limit(options.device)
    context = Context(spec, data, options.device, store, progress, kernel_memory)
    facts = check_context(context)
    chosen = [s for s in spec.seeds if options.seeds is None or s in options.seeds]
    progress.plan(sum(_missing_work(context, seed) for seed in chosen))
    stages = _Stages(context)
    results = {}
    for seed in chosen:
        with store.locked(f"seed{seed}"):
            results[seed] = _seed_result(stages, seed)
    # Seeds that other runs in this folder finished belong to the record too.
    stages.compute_missing = False
    for seed in set(spec.seeds) - set(chosen):
        with suppress(_NotFinishedError):
            results[seed] = _seed_result(stages, seed)
    seeds = [results[seed] for seed in spec.seeds if seed in results]
    record = Record(
        schema_version=SCHEMA_VERSION,
        spec=spec,
        spec_hash=spec.hash,
        status="complete" if len(seeds) == len(spec.seeds) else "partial",
        data=_data_facts(context),
        model=ModelFacts(parameters=facts.parameters),
        seeds=seeds,
        summary=derive_summary(seeds),
        provenance=gather_provenance(options.device, stages.wall_seconds, facts.kernel_plan),
    )
    store.write_text(store.record_path, record_text(record))
    return record, store.record_path


class _NotFinishedError(Exception):
    """A stage has no stored result, and none is to be computed."""


@dataclass
class _Stages:
    """Results of stages, stored or computed, and the wall time that they took."""

    context: Context
    compute_missing: bool = True
    wall_seconds: float = 0.0

    def result(
        self,
        stage: Stage,
        kind: type[ResultT],
        compute: Callable[[], ResultT],
        *,
        label: str,
        is_whole: Callable[[ResultT], bool] = lambda _: True,
    ) -> ResultT:
        """The stored result of a stage, else a computed one.

        `is_whole` says of a stored result whether the files it speaks of are still there.
        """
        store, progress = self.context.store, self.context.progress
        stored = self._usable(stage, kind, is_whole)
        if stored is None:
            if not self.compute_missing:
                raise _NotFinishedError
            progress.stage(label)
            began = time.monotonic()
            try:
                value = compute().model_dump()
            except ConebenchError:
                raise
            except Exception as error:
                # Memory runs out, a library refuses: the stage failed, other specs go on.
                raise RunError(f"{label}: {first_line(error)}") from error
            store.save_result(stage, StageResult(value, time.monotonic() - began))
            # Always through the stored form: a resumed run cannot differ from a straight one.
            stored = store.result(stage)
            if stored is None:
                raise RunError(f"{label}: its result could not be read back")
        elif self.compute_missing:
            progress.stage(label, cached=True)
        self.wall_seconds += stored.wall_seconds
        return kind.model_validate(stored.value)

    def _usable(
        self, stage: Stage, kind: type[ResultT], is_whole: Callable[[ResultT], bool]
    ) -> StageResult | None:
        stored = self.context.store.result(stage)
        try:
            usable = stored is not None and is_whole(kind.model_validate(stored.value))
        except ValidationError:
            usable = False
        return stored if usable else None


def _seed_result(stages: _Stages, seed: int) -> SeedResult:
    context = stages.context
    trained = stages.result(
        train_stage(context, seed),
        Trained,
        lambda: run_training(context, seed),
        label=f"seed {seed}: ordinary training",
        is_whole=lambda found: checkpoints_are_whole(context, seed, found),
    )
    kernel = stages.result(
        kernel_stage(context, seed),
        KernelTrajectory,
        lambda: run_kernels(context, seed, trained),
        label=f"seed {seed}: kernels",
    )
    context.store.drop_kernels(kernel_stage(context, seed))
    phases, cone = derive_geometry(context.spec, kernel)
    arms = _arm_results(
        stages, seed, plan_arms(context.spec, trained.curve.steps[-1], phases.T_star)
    )
    return SeedResult(
        seed=seed,
        training=trained.curve,
        kernel=kernel,
        arms=[_full_arm(trained), *arms],
        phases=phases,
        cone=cone,
    )


def _arm_results(stages: _Stages, seed: int, arms: Sequence[Arm]) -> list[ArmResult]:
    """Every arm with every learning rate it is to be trained with, each arm's best kept."""
    context, results = stages.context, []
    settled: dict[int, Rate] = {}
    for arm in arms:
        rates = (settled[arm.start],) if arm.kind == "control" else arm.rates
        ends = []
        for rate in rates:
            note = f" at {rate:g}" if len(rates) > 1 and rate != "inherit" else ""
            ends.append(
                stages.result(
                    arm_stage(context, seed, arm, rate),
                    ArmEnd,
                    partial(run_arm, context, seed, arm, rate),
                    label=f"seed {seed}: {arm.label}{note}",
                )
            )
        best = choose_rate(ends)
        if arm.name == "switched":
            settled[arm.start] = rates[best]
        results.append(_arm_result(arm, rates, ends, best))
    return results


def _arm_result(arm: Arm, rates: Sequence[Rate], ends: Sequence[ArmEnd], best: int) -> ArmResult:
    end, rate = ends[best], rates[best]
    tried = [
        TriedRate(
            learning_rate=tried,
            status=each.status,
            diverged_at=each.diverged_at,
            validation_accuracy=each.validation_accuracy,
            validation_loss=each.validation_loss,
        )
        for tried, each in zip(rates, ends, strict=True)
        if tried != "inherit"
    ]
    return ArmResult(
        arm=arm.name,
        step=arm.start,
        status=end.status,
        diverged_at=end.diverged_at,
        test_accuracy=end.test_accuracy,
        test_loss=end.test_loss,
        learning_rate=None if rate == "inherit" else rate,
        tried=tried if len(rates) > 1 else None,
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
    """Work of one seed's stages without a result, in passes of one image.

    T* is taken to be a third of the way.
    """
    spec = context.spec
    arms = plan_arms(spec, spec.total_steps, spec.total_steps // 3)
    work = [
        (train_stage(context, seed), training_work(context, spec.total_steps)),
        (kernel_stage(context, seed), kernel_work(context) * len(spec.checkpoint_steps)),
        *(
            (arm_stage(context, seed, arm, rate), arm_work(context, arm))
            for arm in arms
            for rate in arm.planned_rates
        ),
    ]
    return sum(amount for stage, amount in work if context.store.result(stage) is None)


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
