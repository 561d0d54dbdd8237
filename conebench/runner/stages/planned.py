"""The stages that a spec expects of a seed, before and after its T* is known."""

from conebench.runner.stages.arms import arm_stage, arm_work
from conebench.runner.stages.context import Context
from conebench.runner.stages.copies import copy_stage, copy_work
from conebench.runner.stages.kernels import kernel_stage, kernel_work
from conebench.runner.stages.training import train_stage, training_work
from conebench.spec.arms import Arm, PerturbedCopy, Rate, plan_arms, plan_copies
from conebench.storage.manifest import Planned


def training_label(seed: int) -> str:
    """What ordinary training of a seed is called."""
    return f"seed {seed}: ordinary training"


def kernel_label(seed: int) -> str:
    """What the kernels of a seed are called."""
    return f"seed {seed}: kernels"


def arm_label(seed: int, arm: Arm, rate: Rate) -> str:
    """What an arm of a seed with one learning rate is called."""
    note = f" at {rate:g}" if len(arm.planned_rates) > 1 and rate != "inherit" else ""
    return f"seed {seed}: {arm.label}{note}"


def copy_label(seed: int, copy: PerturbedCopy) -> str:
    """What a perturbed copy of a seed is called."""
    return f"seed {seed}: {copy.label}"


def expected_stages(context: Context, seed: int, arms: list[Arm] | None = None) -> list[Planned]:
    """All stages of a seed in the order of a run.

    Without `arms`, before they are known, T* is taken to be a third of the way.
    """
    last = context.spec.total_steps
    training = training_work(context, last)
    kernels = kernel_work(context) * len(context.spec.checkpoint_steps)
    planned = [
        Planned(training_label(seed), seed, train_stage(context, seed), training, 0, last),
        Planned(kernel_label(seed), seed, kernel_stage(context, seed), kernels, 0, last),
    ]
    for arm in _guessed_arms(context) if arms is None else arms:
        for rate in arm.planned_rates:
            stage, work = arm_stage(context, seed, arm, rate), arm_work(context, arm)
            label = arm_label(seed, arm, rate)
            if arms is None and arm.start not in (0, *context.spec.switching.steps):
                label = label.replace(f"({arm.start})", "(T*)")
            planned.append(Planned(label, seed, stage, work, arm.start, last))
    for copy in plan_copies(context.spec, last):
        stage, work = copy_stage(context, seed, copy), copy_work(context, copy)
        planned.append(Planned(copy_label(seed, copy), seed, stage, work, copy.t0, copy.ends[-1]))
    return planned


def _guessed_arms(context: Context) -> list[Arm]:
    last = context.spec.total_steps
    return plan_arms(context.spec, last, last // 3)
