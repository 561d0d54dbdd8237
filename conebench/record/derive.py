"""Derive every figure of a record from its raw data."""

from collections.abc import Sequence

import numpy as np

from conebench.analysis.cone import Cone, measure_cone
from conebench.analysis.distance import FloatArray, IntArray
from conebench.analysis.phases import Phases, find_phases
from conebench.analysis.strength import SeedOutcome, Summary, summarize
from conebench.analysis.stretches import Stretch, measure_stretches
from conebench.errors import RecordError
from conebench.record.chaos import derive_barriers
from conebench.record.schema import (
    METHOD,
    ArmResult,
    GroupGeometry,
    KernelTrajectory,
    Record,
    SeedResult,
    TriedRate,
)
from conebench.spec import Spec, constant_stretch, constant_stretches

# Exceptions that impossible values in a record can cause.
UNUSABLE = (ArithmeticError, ValueError, TypeError, LookupError)


def derive_geometry(spec: Spec, kernel: KernelTrajectory) -> tuple[Phases, Cone | None]:
    """Return phases and cone of one seed (docs/method.md, Cone); no cone without a Phase II."""
    return _geometry(spec, kernel.G(), np.array(kernel.steps))


def derive_groups(spec: Spec, kernel: KernelTrajectory) -> list[GroupGeometry] | None:
    """Return phases and cone of each group, defined as for the whole kernel."""
    if kernel.groups is None:
        return None
    found = []
    for group in kernel.groups:
        phases, cone = None, None
        if group.steps:
            phases, cone = _geometry(spec, group.G(), np.array(group.steps))
        found.append(GroupGeometry(name=group.name, phases=phases, cone=cone))
    return found


def _geometry(spec: Spec, G: FloatArray, steps: IntArray) -> tuple[Phases, Cone | None]:
    every = spec.kernel.checkpoints.every
    phases = find_phases(G, steps, every, constant_stretch(spec))
    if phases.T_star is None:
        return phases, None
    end = constant_stretches(spec)[0][1]
    return phases, measure_cone(G, steps, every, phases.T_star, end)


def derive_stretches(
    spec: Spec, kernel: KernelTrajectory, T_star: int | None
) -> list[Stretch] | None:
    """Return the cones after drops of the learning rate, None without drops."""
    stretches = constant_stretches(spec)
    if len(stretches) < 2:
        return None
    every = spec.kernel.checkpoints.every
    return measure_stretches(kernel.G(), np.array(kernel.steps), every, stretches, T_star)


def choose_rate(tried: Sequence[TriedRate]) -> int:
    """Return the index of the best learning rate on validation images (docs/method.md, Arms).

    It has the highest accuracy, then the lowest loss, then comes first; if all diverged, it is the
    one that lasted longest.
    """

    def merit(index: int) -> tuple[float, float]:
        rate = tried[index]
        if rate.validation_accuracy is None or rate.validation_loss is None:
            return -1.0, float(rate.diverged_at or 0)
        return rate.validation_accuracy, -rate.validation_loss

    return max(range(len(tried)), key=merit)


def derive_summary(seeds: Sequence[SeedResult]) -> Summary:
    """Return the figures over seeds (docs/method.md, Strength)."""
    return summarize([_outcome(seed) for seed in seeds])


def recompute(record: Record) -> Record:
    """Return the record with every derived figure recomputed from its raw data.

    Raises a RecordError, without the file's name, if the numbers are impossible.
    """
    try:
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            return _recomputed_record(record)
    except UNUSABLE as error:
        raise RecordError(f"its figures cannot be recomputed: {error}") from None


def _recomputed_record(record: Record) -> Record:
    seeds = [_recomputed(record.spec, seed) for seed in record.seeds]
    return record.model_copy(
        update={"seeds": seeds, "summary": derive_summary(seeds), "method": METHOD}
    )


def _recomputed(spec: Spec, seed: SeedResult) -> SeedResult:
    phases, cone = derive_geometry(spec, seed.kernel)
    stretches = derive_stretches(spec, seed.kernel, phases.T_star)
    groups = derive_groups(spec, seed.kernel)
    chaos = derive_barriers(seed.chaos)
    return seed.model_copy(
        update={
            "phases": phases,
            "cone": cone,
            "groups": groups,
            "stretches": stretches,
            "chaos": chaos,
        }
    )


def _outcome(seed: SeedResult) -> SeedOutcome:
    lazy = _find(seed.arms, "lazy")
    T_star = seed.phases.T_star
    switched = next((a for a in seed.arms if a.arm == "switched" and a.step == T_star), None)
    full = _find(seed.arms, "full")
    needed = [arm for arm in (lazy, switched, full) if arm is not None]
    return SeedOutcome(
        phases=seed.phases,
        cone=seed.cone,
        A_lazy=lazy.test_accuracy if lazy else None,
        A_switched=switched.test_accuracy if switched else None,
        A_full=full.test_accuracy if full else None,
        diverged=any(arm.status == "diverged" for arm in needed),
    )


def _find(arms: Sequence[ArmResult], name: str) -> ArmResult | None:
    return next((arm for arm in arms if arm.arm == name), None)
