"""Check the structure of a record: lengths, order, and which parts are there."""

import itertools
from collections.abc import Iterator
from pathlib import Path

from conebench.errors import RecordError
from conebench.record.arms import ArmResult, unpack_bits
from conebench.record.chaos import chaos_problems
from conebench.record.derive import choose_rate
from conebench.record.plausible import plausibility_problems
from conebench.record.schema import Record, SeedResult, TrainingCurve
from conebench.record.trajectory import KernelTrajectory, Trajectory
from conebench.spec import Spec

COSINE_ROUNDING = 1e-6
ACCURACY_ROUNDING = 1e-9
# First minor version of the schema with views, bits and curves.
FIRST_WITH_VIEWS = 4


def check_structure(path: Path | str, record: Record) -> None:
    """Raise a RecordError if the parts of a record do not fit together."""
    # The first problem only: a check may rely on those before it.
    problem = next(_problems(record), None)
    if problem:
        raise RecordError(f"{path}: {problem}")


def _problems(record: Record) -> Iterator[str]:
    if record.spec != record.spec.resolved() or record.spec.training.steps is None:
        yield "spec: expected a resolved spec, with its defaults filled in"
    seeds = [seed.seed for seed in record.seeds]
    if seeds != [seed for seed in record.spec.seeds if seed in seeds]:
        yield f"seeds: got {seeds}, expected seeds of the spec, each once and in its order"
    complete = len(seeds) == len(record.spec.seeds) and not record.failures
    if (record.status == "complete") != complete:
        yield f"status: got {record.status}, expected {'complete' if complete else 'partial'}"
    for seed in record.seeds:
        yield from (f"seeds.{seed.seed}: {problem}" for problem in _seed(seed, record))
    yield from plausibility_problems(record)


def _seed(seed: SeedResult, record: Record) -> Iterator[str]:
    yield from _kernel(seed.kernel, record.spec.total_steps)
    yield from _views(seed.kernel, record)
    yield from _averaged(seed.kernel, record)
    yield from _groups(seed.kernel, record)
    yield from _curve(seed.training, record.data.test_images)
    for arm in seed.arms:
        problems = itertools.chain(
            _arm(arm), _raw_arm(arm, record), _arm_curve(arm, record), _rate(arm, record.spec)
        )
        yield from (f"arms.{arm.arm}: {problem}" for problem in problems)
    yield from chaos_problems(seed, record.spec, record.failures or ())


def _kernel(kernel: KernelTrajectory, total_steps: int) -> Iterator[str]:
    steps = kernel.steps
    if not steps or steps[0] != 0 or steps != sorted(set(steps)) or steps[-1] > total_steps:
        yield f"kernel.steps: expected ascending steps from 0 up to {total_steps}"
    yield from _lists("kernel", kernel)
    check = kernel.self_check
    if check is not None and not (
        len(check.steps) == len(check.relative_error) and set(check.steps) <= set(steps)
    ):
        yield "kernel.self_check: expected one error for each checkpoint it names"


def _lists(name: str, kernel: Trajectory) -> Iterator[str]:
    """Check the lengths of a kernel's lists."""
    count = len(kernel.steps)
    for field in ("norm", "trace", "top_eigenvalue_share", "label_alignment"):
        if len(getattr(kernel, field)) != count:
            yield f"{name}.{field}: expected one entry per checkpoint"
    for field in ("gram", "gram_centred"):
        yield from _gram(f"{name}.{field}", getattr(kernel, field), count)


def _views(kernel: KernelTrajectory, record: Record) -> Iterator[str]:
    """Check that the views are those of the kernel."""
    needed = record.minor >= FIRST_WITH_VIEWS and record.spec.kernel.outputs == "full"
    names = [view.name for view in kernel.views or ()]
    if names != (["trace", "sum"] if needed else []) or (kernel.views is not None) != needed:
        expected = "trace and sum" if needed else "none"
        yield f"kernel.views: got {', '.join(names) or 'none'}, expected {expected}"
    for view in kernel.views or ():
        if view.steps != kernel.steps:
            yield f"kernel.views.{view.name}.steps: expected those of the kernel"
        yield from _lists(f"kernel.views.{view.name}", view)


def _averaged(kernel: KernelTrajectory, record: Record) -> Iterator[str]:
    """Check the kernels at averaged weights."""
    if (kernel.averaged is not None) != record.spec.kernel.averaged:
        yield "kernel.averaged: expected if, and only if, the spec has kernel.averaged"
    if kernel.averaged is None:
        return
    averaged, every = kernel.averaged, record.spec.kernel.checkpoints.every
    if averaged.steps != [step for step in kernel.steps if step > 0 and step % every == 0]:
        yield "kernel.averaged.steps: expected the uniform checkpoints after step 0"
    if len(averaged.norm) != len(averaged.steps):
        yield "kernel.averaged.norm: expected one entry per step"
    yield from _gram("kernel.averaged.gram", averaged.gram, len(averaged.steps))


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
        # A group whose kernel is zero at first starts later than the whole kernel.
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


def _raw_arm(arm: ArmResult, record: Record) -> Iterator[str]:
    """Check the bits of an arm: one per test image, set where it was right."""
    needed = record.minor >= FIRST_WITH_VIEWS and arm.status == "finished"
    if (arm.correct is not None) != needed:
        yield f"correct: {'missing' if needed else 'unexpected'}"
    if arm.correct is None or arm.test_accuracy is None:
        return
    images = record.data.test_images
    try:
        count = int(unpack_bits(arm.correct, images).sum())
    except ValueError as error:
        yield f"correct: {error}"
        return
    if abs(count / images - arm.test_accuracy) > ACCURACY_ROUNDING:
        yield (
            f"test_accuracy: got {arm.test_accuracy}, but correct gives {count} of {images} images"
        )


def _arm_curve(arm: ArmResult, record: Record) -> Iterator[str]:
    """Check the learning curve of an arm."""
    # A diverged arm has the points before.
    finished = arm.arm != "full" and arm.status == "finished"
    if record.minor >= FIRST_WITH_VIEWS and finished and arm.curve is None:
        yield "curve: missing"
    curve = arm.curve
    if curve is None:
        return
    later = [step for step in record.spec.checkpoint_steps if step > (arm.step or 0)]
    if curve.steps != (later if finished else later[: len(curve.steps)]):
        yield "curve.steps: expected the checkpoints after the arm's start"
    lists = (curve.steps, curve.train_loss, curve.test_loss, curve.test_accuracy)
    if len({len(values) for values in lists}) != 1:
        yield "curve: expected one entry per checkpoint"


def _rate(arm: ArmResult, spec: Spec) -> Iterator[str]:
    """Check the learning rate of an arm, and how it was chosen from a list."""
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
