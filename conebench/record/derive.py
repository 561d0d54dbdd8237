"""Derive every figure of a record from its raw data."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from conebench.analysis.distance import FloatArray, IntArray
from conebench.analysis.fitting import fit_step
from conebench.analysis.phases import Phases, find_phases
from conebench.analysis.strength import SeedFigures, Summary, summarize
from conebench.analysis.stretches import Stretch, measure_stretches
from conebench.analysis.window import WindowFigures, measure_window
from conebench.errors import RecordError
from conebench.record.arms import TriedRate
from conebench.record.chaos import derive_barriers
from conebench.record.schema import (
    METHOD,
    GroupGeometry,
    Record,
    SeedResult,
    TrainingCurve,
    ViewWindow,
)
from conebench.record.trajectory import KernelTrajectory
from conebench.spec import Spec, constant_stretch, constant_stretches, learning_rate
from conebench.spec.arms import settings_differ
from conebench.spec.schedule import window_start

# Exceptions that impossible values in a record can cause.
UNUSABLE = (ArithmeticError, ValueError, TypeError, LookupError)


def derive_seed(spec: Spec, training: TrainingCurve, kernel: KernelTrajectory) -> dict[str, Any]:
    """Return all fields of a `SeedResult` that follow from its curve and its kernels."""
    phases = derive_phases(spec, kernel)
    # The training loss at step 0 is not measured; an untrained network has about the same loss on
    # any images, so the test loss stands for it in T_fit.
    return {
        "phases": phases,
        "windows": derive_windows(spec, kernel),
        "T_fit": fit_step(training.steps, training.train_loss, training.test_loss[0]),
        "groups": derive_groups(spec, kernel),
        "stretches": derive_stretches(spec, kernel, phases.T_star),
    }


def derive_phases(spec: Spec, kernel: KernelTrajectory) -> Phases:
    """Return the phases of one seed, of its primary view."""
    return _phases(spec, kernel.primary.G(), np.array(kernel.steps))


def derive_windows(spec: Spec, kernel: KernelTrajectory) -> list[ViewWindow]:
    """Return the late window of every view, the primary one first."""
    views = kernel.by_view(spec.kernel.outputs or "full")
    rates, steps = _rates(spec), np.array(kernel.steps)
    windows = [
        ViewWindow(view=name, figures=_window(spec, view.G(), steps, rates))
        for name, view in views.items()
    ]
    if kernel.averaged:
        G, steps = kernel.averaged.G(), np.array(kernel.averaged.steps)
        windows.append(ViewWindow(view="averaged", figures=_window(spec, G, steps, rates)))
    return windows


def derive_groups(spec: Spec, kernel: KernelTrajectory) -> list[GroupGeometry] | None:
    """Return phases and late window of each group, defined as for the whole kernel."""
    if kernel.groups is None:
        return None
    rates, found = _rates(spec), []
    for group in kernel.groups:
        phases, window = None, None
        if group.steps:
            G, steps = group.G(), np.array(group.steps)
            phases, window = _phases(spec, G, steps), _window(spec, G, steps, rates)
        found.append(GroupGeometry(name=group.name, phases=phases, window=window))
    return found


def _phases(spec: Spec, G: FloatArray, steps: IntArray) -> Phases:
    return find_phases(G, steps, spec.kernel.checkpoints.every, constant_stretch(spec))


def _window(spec: Spec, G: FloatArray, steps: IntArray, rates: FloatArray) -> WindowFigures:
    kernel, stretch = spec.kernel, constant_stretch(spec)
    return measure_window(G, steps, kernel.checkpoints.every, stretch, rates, kernel.window)


def _rates(spec: Spec) -> FloatArray:
    """Return the learning rate of each update, [T]."""
    return np.array([learning_rate(spec, step) for step in range(spec.total_steps)])


def derive_stretches(
    spec: Spec, kernel: KernelTrajectory, T_star: int | None
) -> list[Stretch] | None:
    """Return the cones after drops of the learning rate, None without drops."""
    stretches = constant_stretches(spec)
    if len(stretches) < 2:
        return None
    every, G = spec.kernel.checkpoints.every, kernel.primary.G()
    return measure_stretches(G, np.array(kernel.steps), every, stretches, T_star)


def choose_rate(tried: Sequence[TriedRate]) -> int:
    """Return the index of the best learning rate on validation images (docs/method.md, Arms).

    The highest accuracy decides, then the lowest loss, then the order of the list.
    """

    def merit(index: int) -> tuple[float, float]:
        rate = tried[index]
        # Below any that finished; if all diverged, the one that lasted longest is kept.
        if rate.validation_accuracy is None or rate.validation_loss is None:
            return -1.0, float(rate.diverged_at or 0)
        return rate.validation_accuracy, -rate.validation_loss

    # max keeps the first of equals.
    return max(range(len(tried)), key=merit)


def derive_summary(spec: Spec, seeds: Sequence[SeedResult], test_images: int) -> Summary:
    """Return the figures over seeds (docs/method.md, Strength)."""
    return summarize(
        [_figures(seed, test_images) for seed in seeds],
        w=window_start(spec),
        steps=spec.switching.steps,
        control="control" if settings_differ(spec) else "full",
    )


def recompute(record: Record) -> Record:
    """Return the record with every derived figure recomputed from its raw data.

    Raises a RecordError, without the file's name, if the numbers are impossible.
    """
    # numpy would only warn, and the figures of an impossible record would be NaN.
    try:
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            return _recomputed_record(record)
    except UNUSABLE as error:
        raise RecordError(f"its figures cannot be recomputed: {error}") from None


def _recomputed_record(record: Record) -> Record:
    spec = record.spec
    seeds = [_recomputed(spec, seed) for seed in record.seeds]
    summary = derive_summary(spec, seeds, record.data.test_images)
    return record.model_copy(update={"seeds": seeds, "summary": summary, "method": METHOD})


def _recomputed(spec: Spec, seed: SeedResult) -> SeedResult:
    derived = derive_seed(spec, seed.training, seed.kernel)
    return seed.model_copy(update={**derived, "chaos": derive_barriers(seed.chaos)})


def _figures(seed: SeedResult, test_images: int) -> SeedFigures:
    arms = {(arm.arm, arm.step): arm for arm in seed.arms}
    return SeedFigures(
        phases=seed.phases,
        window=seed.window,
        T_fit=seed.T_fit,
        diverged=seed.outcome == "diverged",
        right={key: arm.right(test_images) for key, arm in arms.items()},
        losses={key: arm.test_loss for key, arm in arms.items()},
    )
