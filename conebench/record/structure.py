"""Checks of a record's structure: lengths, order and what must or must not be there."""

from pathlib import Path

from conebench.errors import RecordError
from conebench.record.chaos import check_chaos
from conebench.record.derive import choose_rate
from conebench.record.schema import (
    ArmResult,
    KernelTrajectory,
    Record,
    TrainingCurve,
)
from conebench.spec import Spec

COSINE_ROUNDING = 1e-6


def check_structure(path: Path, record: Record) -> None:
    """Raise a RecordError where the parts of a record do not fit together."""
    if record.spec != record.spec.resolved() or record.spec.training.steps is None:
        raise RecordError(f"{path}: spec: not resolved")
    seeds = [seed.seed for seed in record.seeds]
    if seeds != [seed for seed in record.spec.seeds if seed in seeds]:
        raise RecordError(f"{path}: seeds: got {seeds}, expected the spec's, each once")
    complete = len(seeds) == len(record.spec.seeds) and not record.failures
    if (record.status == "complete") != complete:
        raise RecordError(f"{path}: status: got {record.status}, with {len(seeds)} seeds")
    for seed in record.seeds:
        where, curve = f"{path}: seeds.{seed.seed}", seed.training
        _check_kernel(where, seed.kernel, record.spec.total_steps)
        _check_groups(where, seed.kernel, record)
        lists = (curve.steps, curve.train_loss, curve.test_loss, curve.test_accuracy)
        if not curve.steps or len({len(values) for values in lists}) != 1:
            raise RecordError(f"{where}: training: one entry a checkpoint is needed")
        _check_tested(where, record.data.test_images, curve)
        for arm in seed.arms:
            _check_arm(where, arm)
            _check_rate(where, arm, record.spec)
        check_chaos(where, seed, record.spec, record.failures or ())


def _check_kernel(where: str, kernel: KernelTrajectory, total_steps: int) -> None:
    steps = kernel.steps
    if not steps or steps[0] != 0 or steps != sorted(set(steps)) or steps[-1] > total_steps:
        raise RecordError(
            f"{where}: kernel.steps: expected 0 first, then ascending to at most {total_steps}"
        )
    for name in ("norm", "trace", "top_eigenvalue_share", "label_alignment"):
        if len(getattr(kernel, name)) != len(steps):
            raise RecordError(f"{where}: kernel.{name}: one entry a checkpoint is needed")
    check = kernel.self_check
    if check is not None and not (
        len(check.steps) == len(check.relative_error) and set(check.steps) <= set(steps)
    ):
        raise RecordError(f"{where}: kernel.self_check: one error for each of some checkpoints")
    for name in ("gram", "gram_centred"):
        _check_gram(f"{where}: kernel.{name}", getattr(kernel, name), len(steps))


def _check_gram(where: str, rows: list[list[float]], count: int) -> None:
    if [len(row) for row in rows] != list(range(1, count + 1)):
        raise RecordError(f"{where}: G must be a lower triangle, row i of i + 1")
    entries = [entry for row in rows for entry in row]
    on_diagonal = all(abs(row[-1] - 1) <= COSINE_ROUNDING for row in rows)
    within = all(-COSINE_ROUNDING <= entry <= 1 + COSINE_ROUNDING for entry in entries)
    if not on_diagonal or not within:
        raise RecordError(f"{where}: expected cosines in [0, 1], 1 on the diagonal")


def _check_groups(where: str, kernel: KernelTrajectory, record: Record) -> None:
    if (kernel.groups is None) != (record.spec.kernel.by is None):
        raise RecordError(f"{where}: kernel.groups: needed where, and only where, the spec has by")
    if kernel.groups is None:
        return
    parameters = sum(group.parameters for group in kernel.groups)
    names = {group.name for group in kernel.groups}
    if len(names) != len(kernel.groups) or parameters != record.model.parameters:
        raise RecordError(
            f"{where}: kernel.groups: needed is each group once, {record.model.parameters:,} "
            f"parameters together, got {parameters:,}"
        )
    for index, group in enumerate(kernel.groups):
        place, count = f"{where}: kernel.groups.{index}", len(group.steps)
        if group.steps != kernel.steps[len(kernel.steps) - count :]:
            raise RecordError(f"{place}: steps: expected the last ones of the kernel's")
        if not count == len(group.norm) == len(group.trace):
            raise RecordError(f"{place}: one entry of norm and trace a step is needed")
        _check_gram(f"{place}: gram", group.gram, count)


def _check_tested(where: str, images: int, curve: TrainingCurve) -> None:
    counts = curve.test_images
    if counts is not None and (len(counts) != len(curve.steps) or max(counts, default=0) > images):
        raise RecordError(
            f"{where}: training.test_images: one count a checkpoint, of at most {images}, is needed"
        )


def _check_rate(where: str, arm: ArmResult, spec: Spec) -> None:
    """The learning rate is the spec's, or that of its list which validation says."""
    grid = spec.linearization.learning_rate
    if not isinstance(grid, tuple) or arm.arm in ("full", "control"):
        if arm.tried is not None:
            raise RecordError(f"{where}: arms.{arm.arm}: tried: allowed with a list of rates only")
        return
    if [rate.learning_rate for rate in arm.tried or []] != list(grid):
        raise RecordError(f"{where}: arms.{arm.arm}: tried: needed is each rate of the spec's list")
    tried = arm.tried or []
    if any((rate.diverged_at is None) != (rate.validation_loss is not None) for rate in tried):
        raise RecordError(
            f"{where}: arms.{arm.arm}: tried: needed are figures, or the step of divergence"
        )
    if arm.learning_rate != grid[choose_rate(tried)]:
        raise RecordError(
            f"{where}: arms.{arm.arm}: learning_rate: got {arm.learning_rate}, needed is the best "
            "of tried"
        )


def _check_arm(where: str, arm: ArmResult) -> None:
    figures_missing = (
        arm.test_accuracy is None,
        arm.test_loss is None,
        arm.diverged_at is not None,
    )
    if set(figures_missing) != {arm.status == "diverged"}:
        raise RecordError(
            f"{where}: arms.{arm.arm}: needed are accuracy and loss, or the step of divergence"
        )
