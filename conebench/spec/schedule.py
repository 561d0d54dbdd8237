"""Learning rate as a function of the step."""

import math

from conebench.spec.schema import Spec


def learning_rate(spec: Spec, step: int) -> float:
    """Return the learning rate of the update from `step` to `step + 1`."""
    return spec.training.optimizer.learning_rate * schedule_factor(spec, step)


def schedule_factor(spec: Spec, step: int) -> float:
    """Return the factor in (0, 1] on the learning rate of the update after `step`."""
    schedule, total = spec.training.schedule, spec.total_steps
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    if schedule.name == "multistep":
        return float(schedule.factor ** sum(step >= m for m in milestone_steps(spec)))
    if schedule.name == "cosine":
        progress = (step - schedule.warmup_steps) / (total - schedule.warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * progress))
    return 1.0


def milestone_steps(spec: Spec) -> tuple[int, ...]:
    """Return the steps at which a multistep schedule drops the learning rate."""
    return tuple(round(m * spec.total_steps) for m in spec.training.schedule.milestones)


def constant_stretches(spec: Spec) -> list[tuple[int, int]]:
    """Return the first and last step of each stretch of constant learning rate."""
    schedule = spec.training.schedule
    if schedule.name == "cosine":
        return []  # never constant
    drops = milestone_steps(spec) if schedule.name == "multistep" else ()
    later = sorted({step for step in drops if step > schedule.warmup_steps})
    # Each stretch begins where the one before it ends.
    ends = [*later, spec.total_steps]
    return list(zip([schedule.warmup_steps, *ends], ends, strict=False))


def constant_stretch(spec: Spec) -> tuple[int, int] | None:
    """Return the first stretch of constant learning rate, where T* is measured, or None."""
    return next(iter(constant_stretches(spec)), None)


def constant_intervals(spec: Spec) -> int:
    """Count the intervals of the uniform grid on the first stretch of constant learning rate."""
    stretch, every = constant_stretch(spec), spec.kernel.checkpoints.every
    if stretch is None:
        return 0
    # Whole intervals only: the end is rounded down to the grid, the start up.
    return max(0, stretch[1] // every - -(-stretch[0] // every))


def window_start(spec: Spec) -> int | None:
    """Return w, the first step of the late window; None without a constant learning rate.

    It is the first checkpoint of the uniform grid at or after `kernel.window` of the stretch.
    """
    stretch, every = constant_stretch(spec), spec.kernel.checkpoints.every
    if stretch is None:
        return None
    start, end = stretch
    # Rounding must not push w past a checkpoint: 0.07 * 100 is above 7.
    first = math.ceil(start + spec.kernel.window * (end - start) - 1e-6)
    w = every * -(-first // every)
    return w if w <= end else None
