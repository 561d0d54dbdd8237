"""Check that a record's values can be those of a run: dates, sizes, names, seeds."""

import datetime
from collections.abc import Iterator, Sequence

from conebench.record.schema import Record, SeedResult

# Losses are finite float32, kernels products of two of them.
LARGEST_LOSS = 1e40
SMALLEST_KERNEL, LARGEST_KERNEL = 1e-100, 1e100
SMALLEST_RATE, LARGEST_RATE = 1e-30, 1e30
LONGEST_SECONDS = 1e10
MOST_FAILURES = 1000
YEARS = range(2020, 2100)


def plausibility_problems(record: Record) -> Iterator[str]:
    """Yield what cannot be true of a run, one line each."""
    yield from _provenance(record)
    expected = record.spec.dataset.shown_name
    if record.data.name != expected:
        yield f"data.name: got {record.data.name!r}, expected the spec's {expected!r}"
    for seed in record.seeds:
        yield from (f"seeds.{seed.seed}: {problem}" for problem in _numbers(seed))
    yield from _repeated_seeds(record)
    yield from _failures(record)


def _provenance(record: Record) -> Iterator[str]:
    made = record.provenance
    # strptime takes this one form; fromisoformat would take many.
    try:
        when = datetime.datetime.strptime(made.created_at, "%Y-%m-%dT%H:%M:%S%z")
        known = made.created_at.endswith("Z") and when.year in YEARS
    except ValueError:
        known = False
    if not known:
        yield (
            f"provenance.created_at: got {made.created_at!r}, expected a date and time such as "
            f"2026-01-31T12:00:00Z, in the years {YEARS[0]} to {YEARS[-1]}"
        )
    if made.wall_seconds > LONGEST_SECONDS:
        yield f"provenance.wall_seconds: got {made.wall_seconds:g}, expected at most 1e10"


def _numbers(seed: SeedResult) -> Iterator[str]:
    tried = [rate for arm in seed.arms for rate in arm.tried or ()]
    rates = [*(arm.learning_rate for arm in seed.arms), *(rate.learning_rate for rate in tried)]
    yield from _outside("arms.learning_rate", rates, SMALLEST_RATE, LARGEST_RATE)
    for name, losses in _losses(seed).items():
        yield from _outside(name, losses, 0.0, LARGEST_LOSS)
    kernel = seed.kernel
    parts = [("kernel", kernel.norm, kernel.trace)]
    parts += [("kernel.views", view.norm, view.trace) for view in kernel.views or ()]
    parts += [("kernel.groups", group.norm, group.trace) for group in kernel.groups or ()]
    for name, norm, trace in parts:
        yield from _outside(f"{name}.norm", norm, SMALLEST_KERNEL, LARGEST_KERNEL)
        yield from _outside(f"{name}.trace", trace, 0.0, LARGEST_KERNEL)
    averaged = kernel.averaged.norm if kernel.averaged else []
    yield from _outside("kernel.averaged.norm", averaged, SMALLEST_KERNEL, LARGEST_KERNEL)


def _losses(seed: SeedResult) -> dict[str, Sequence[float | None]]:
    """Return all losses of a seed, by the name of their field."""
    curves = [arm.curve for arm in seed.arms if arm.curve]
    tried = [rate for arm in seed.arms for rate in arm.tried or ()]
    pairs = seed.chaos or ()
    return {
        "training.train_loss": seed.training.train_loss,
        "training.test_loss": seed.training.test_loss,
        "arms.test_loss": [arm.test_loss for arm in seed.arms],
        "arms.curve.train_loss": [loss for curve in curves for loss in curve.train_loss],
        "arms.curve.test_loss": [loss for curve in curves for loss in curve.test_loss],
        "arms.tried.validation_loss": [rate.validation_loss for rate in tried],
        "chaos.losses": [loss for pair in pairs for loss in pair.losses or ()],
        "chaos.barrier": [pair.barrier for pair in pairs],
    }


def _outside(name: str, values: Sequence[float | None], low: float, high: float) -> Iterator[str]:
    wrong = [value for value in values if value is not None and not low <= value <= high]
    if wrong:
        yield f"{name}: got {wrong[0]:g}, expected {low:g} to {high:g}"


def _repeated_seeds(record: Record) -> Iterator[str]:
    """Yield the seeds that have the raw data of another seed."""
    # Different seeds never agree to the last bit.
    first: dict[object, int] = {}
    for seed in record.seeds:
        raw = tuple(seed.kernel.norm), tuple(seed.training.test_loss)
        known = first.setdefault(raw, seed.seed)
        if known != seed.seed:
            yield f"seeds: {seed.seed} has the data of seed {known}, expected data of its own"


def _failures(record: Record) -> Iterator[str]:
    failures = record.failures or []
    if len(failures) > MOST_FAILURES:
        yield f"failures: got {len(failures):,}, expected at most {MOST_FAILURES:,}"
    named = [(failure.seed, failure.stage) for failure in failures]
    if len(set(named)) < len(named):
        yield "failures: a stage appears twice"
    others = sorted({failure.seed for failure in failures} - set(record.spec.seeds))
    if others:
        yield f"failures: got seed {others[0]}, expected seeds of the spec"
