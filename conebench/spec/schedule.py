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
    ends = [*later, spec.total_steps]
    return list(zip([schedule.warmup_steps, *ends], ends, strict=False))


def constant_stretch(spec: Spec) -> tuple[int, int] | None:
    """Return the first stretch of constant learning rate, where T* is measured, or None."""
    return next(iter(constant_stretches(spec)), None)
