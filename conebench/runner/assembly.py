"""Results of the stages of one seed, put together for the record."""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from conebench.errors import StageFailedError
from conebench.record import (
    ArmResult,
    ChaosResult,
    SeedResult,
    TrainingCurve,
    TriedRate,
    derive_seed,
)
from conebench.runner.stages.arms import ArmEnd, ArmStage, best_of
from conebench.runner.stages.copies import CopyStage
from conebench.runner.stages.full_end import FullEnd, FullEndStage
from conebench.runner.stages.planned import Trajectory
from conebench.runner.stages.results import Stages
from conebench.runner.stages.training import Trained
from conebench.spec.arms import Arm, PerturbedCopy, Rate


class SeedParts(NamedTuple):
    """Results of the stages of one seed; those that failed are left out."""

    trajectory: Trajectory
    arms: list[ArmResult]
    chaos: list[ChaosResult] | None
    full: FullEnd


def gather_seed(stages: Stages, seed: int) -> SeedParts:
    """Ask for the results of all stages of a seed, in order.

    Raises a StageFailedError if ordinary training, the kernels, or the test of its end failed.
    """
    found = stages.trajectory(seed)
    arms = _arm_results(stages, seed, found.arms())
    chaos = _chaos_results(stages, seed, found.copies())
    # Last, so that executors begin the long stages before they wait for this one.
    return SeedParts(found, arms, chaos, stages.result(FullEndStage(seed)))


def seed_result(seed: int, parts: SeedParts) -> SeedResult:
    """Return the part of the record that is about one seed."""
    found = parts.trajectory
    curve = _with_end(found.trained.curve, parts.full)
    return SeedResult(
        seed=seed,
        training=curve,
        kernel=found.kernel,
        arms=[_full_arm(found.trained, parts.full), *parts.arms],
        chaos=parts.chaos,
        **derive_seed(found.spec, curve, found.kernel),
    )


def _arm_results(stages: Stages, seed: int, arms: Sequence[Arm]) -> list[ArmResult]:
    """Train every arm with each of its learning rates. Keep the best of each arm."""
    results = []
    chosen: dict[int, Rate] = {}
    for arm in arms:
        if arm.kind == "control" and arm.start not in chosen:
            # The arm that it is a control for failed.
            continue
        rates = (chosen[arm.start],) if arm.kind == "control" else arm.rates
        ends = _ends(stages, [ArmStage(seed, arm, rate) for rate in rates])
        if len(ends) < len(rates):
            continue
        best, tried = best_of(rates, ends)
        if arm.name == "switched":
            chosen[arm.start] = rates[best]
        results.append(_arm_result(arm, ends[best], rates[best], tried))
    return results


def _ends(stages: Stages, arms: Sequence[ArmStage]) -> list[ArmEnd]:
    """Ask for the ends of all arms."""
    ends = []
    for arm in arms:
        # A stage that fails does not keep the others from being computed.
        with suppress(StageFailedError):
            ends.append(stages.result(arm))
    return ends


def _chaos_results(
    stages: Stages, seed: int, copies: Sequence[PerturbedCopy]
) -> list[ChaosResult] | None:
    """Compare every copy, in the order of the spec's pairs. None without a chaos section."""
    chaos = stages.context.spec.chaos
    if chaos is None:
        return None
    results: list[ChaosResult] = []
    for copy in copies:
        with suppress(StageFailedError):
            results += stages.result(CopyStage(seed, copy)).pairs
    return sorted(results, key=lambda result: chaos.pairs.index((result.t0, result.t1)))


def _arm_result(arm: Arm, end: ArmEnd, rate: Rate, tried: list[TriedRate]) -> ArmResult:
    return ArmResult(
        arm=arm.name,
        step=arm.start,
        status=end.status,
        diverged_at=end.diverged_at,
        test_accuracy=end.test_accuracy,
        test_loss=end.test_loss,
        learning_rate=None if rate == "inherit" else rate,
        tried=tried if len(tried) > 1 else None,
        correct=end.correct,
        curve=end.curve,
    )


def _with_end(curve: TrainingCurve, full: FullEnd) -> TrainingCurve:
    """Return the curve with the end as it was tested last."""
    if full.test_accuracy is None or full.test_loss is None:
        return curve
    # Training may have ended on another machine, where a close call went the other way.
    return curve.model_copy(
        update={
            "test_loss": [*curve.test_loss[:-1], full.test_loss],
            "test_accuracy": [*curve.test_accuracy[:-1], full.test_accuracy],
        }
    )


def _full_arm(trained: Trained, end: FullEnd) -> ArmResult:
    return ArmResult(
        arm="full",
        step=None,
        status=trained.status,
        diverged_at=trained.diverged_at,
        test_accuracy=end.test_accuracy,
        test_loss=end.test_loss,
        correct=end.correct,
    )
