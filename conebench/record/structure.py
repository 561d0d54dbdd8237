"""Check the structure of a record: lengths, order, and which parts are there."""

import itertools
from collections.abc import Iterator
from pathlib import Path

from conebench.errors import RecordError
from conebench.record.chaos import chaos_problems
from conebench.record.derive import choose_rate
from conebench.record.schema import ArmResult, KernelTrajectory, Record, SeedResult, TrainingCurve
from conebench.spec import Spec

COSINE_ROUNDING = 1e-6


def check_structure(path: Path, record: Record) -> None:
    """Raise a RecordError if the parts of a record do not fit together."""
    # The first problem only: a check may rely on those before it.
    problem = next(_problems(record), None)
    if problem:
        raise RecordError(f"{path}: {problem}")


def _problems(record: Record) -> Iterator[str]:
    if record.spec != record.spec.resolved() or record.spec.training.steps is None:
        yield "spec: expected a resolved spec, with every default filled in"
    seeds = [seed.seed for seed in record.seeds]
    if seeds != [seed for seed in record.spec.seeds if seed in seeds]:
        yield f"seeds: got {seeds}, expected seeds of the spec, each once and in its order"
    complete = len(seeds) == len(record.spec.seeds) and not record.failures
    if (record.status == "complete") != complete:
        yield f"status: got {record.status}, expected {'complete' if complete else 'partial'}"
    for seed in record.seeds:
        yield from (f"seeds.{seed.seed}: {problem}" for problem in _seed(seed, record))


def _seed(seed: SeedResult, record: Record) -> Iterator[str]:
    yield from _kernel(seed.kernel, record.spec.total_steps)
    yield from _groups(seed.kernel, record)
    yield from _curve(seed.training, record.data.test_images)
    for arm in seed.arms:
        problems = itertools.chain(_arm(arm), _rate(arm, record.spec))
        yield from (f"arms.{arm.arm}: {problem}" for problem in problems)
    yield from chaos_problems(seed, record.spec, record.failures or ())


def _kernel(kernel: KernelTrajectory, total_steps: int) -> Iterator[str]:
    steps = kernel.steps
    if not steps or steps[0] != 0 or steps != sorted(set(steps)) or steps[-1] > total_steps:
        yield f"kernel.steps: expected ascending steps from 0 up to {total_steps}"
    for name in ("norm", "trace", "top_eigenvalue_share", "label_alignment"):
        if len(getattr(kernel, name)) != len(steps):
            yield f"kernel.{name}: expected one entry per checkpoint"
    check = kernel.self_check
    if check is not None and not (
        len(check.steps) == len(check.relative_error) and set(check.steps) <= set(steps)
    ):
        yield "kernel.self_check: expected one error for each checkpoint it names"
    for name in ("gram", "gram_centred"):
        yield from _gram(f"kernel.{name}", getattr(kernel, name), len(steps))


def _gram(name: str, rows: list[list[float]], count: int) -> Iterator[str]:
    if [len(row) for row in rows] != list(range(1, count + 1)):
        yield f"{name}: expected a lower triangle, with i + 1 entries in row i"
    entries = [entry for row in rows for entry in row]
    on_diagonal = all(abs(row[-1] - 1) <= COSINE_ROUNDING for row in rows)
    within = all(-COSINE_ROUNDING <= entry <= 1 + COSINE_ROUNDING for entry in entries)
    if not on_diagonal or not within:
        yield f"{name}: expected cosines in [0, 1], with 1 on the diagonal"


def _groups(kernel: KernelTrajectory, record: Record) -> Iterator[str]:
    if (kernel.groups is None) != (record.spec.kernel.by is None):
        yield "kernel.groups: expected if, and only if, the spec has kernel.by"
    if kernel.groups is None:
        return
    parameters = sum(group.parameters for group in kernel.groups)
    names = {group.name for group in kernel.groups}
    if len(names) != len(kernel.groups) or parameters != record.model.parameters:
        yield (
            f"kernel.groups: got {parameters:,} parameters, expected each group once and "
            f"{record.model.parameters:,} parameters in all"
        )
    for index, group in enumerate(kernel.groups):
        place, count = f"kernel.groups.{index}", len(group.steps)
        if group.steps != kernel.steps[len(kernel.steps) - count :]:
            yield f"{place}: steps: expected the last of the kernel's steps"
        if not count == len(group.norm) == len(group.trace):
            yield f"{place}: expected one norm and one trace per step"
        yield from _gram(f"{place}: gram", group.gram, count)


def _curve(curve: TrainingCurve, images: int) -> Iterator[str]:
    lists = (curve.steps, curve.train_loss, curve.test_loss, curve.test_accuracy)
    if not curve.steps or len({len(values) for values in lists}) != 1:
        yield "training: expected one entry per checkpoint"
    counts = curve.test_images
    if counts is not None and (len(counts) != len(curve.steps) or max(counts, default=0) > images):
        yield f"training.test_images: expected one count per checkpoint, at most {images}"


def _arm(arm: ArmResult) -> Iterator[str]:
    figures_missing = (
        arm.test_accuracy is None,
        arm.test_loss is None,
        arm.diverged_at is not None,
    )
    if set(figures_missing) != {arm.status == "diverged"}:
        yield "expected accuracy and loss, or else the step of divergence"


def _rate(arm: ArmResult, spec: Spec) -> Iterator[str]:
    """Check that the learning rate is the spec's, or the best of its list by validation."""
    grid, tried = spec.linearization.learning_rate, arm.tried or []
    if not isinstance(grid, tuple) or arm.arm in ("full", "control"):
        if arm.tried is not None:
            yield "tried: expected only with a list of learning rates"
        return
    if [rate.learning_rate for rate in tried] != list(grid):
        yield "tried: expected each learning rate of the spec's list"
    if any((rate.diverged_at is None) != (rate.validation_loss is not None) for rate in tried):
        yield "tried: expected validation figures, or else the step of divergence"
    best = grid[choose_rate(tried)]
    if arm.learning_rate != best:
        yield f"learning_rate: got {arm.learning_rate}, expected {best}, the best of tried"
