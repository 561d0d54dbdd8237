"""Compare two records of one spec: the largest difference of every quantity."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from conebench.analysis.distance import FloatArray
from conebench.record.arms import ArmResult
from conebench.record.schema import Provenance, Record, SeedResult
from conebench.record.trajectory import GRAM_DECIMALS, Trajectory

Measure = Literal["cosine", "relative", "share", "loss", "accuracy", "intervals", "exact"]
ToleranceName = Literal["bits", "rounding"]

# Largest differences allowed. One seed of specs/digits.yaml with one thread and with two, which
# sum in another order, differed by up to 0.007 in G, 2 % in norms, 0.005 in shares, 0.0006 in
# losses and one test image of 360: training amplifies last bits. A few times that is allowed.
TOLERANCES: Mapping[ToleranceName, Mapping[Measure, float]] = {
    "bits": dict.fromkeys(get_args(Measure), 0.0),
    "rounding": {
        "cosine": 0.03,
        "relative": 0.1,
        "share": 0.02,
        "loss": 0.02,
        "accuracy": 0.02,
        "intervals": 2.0,
        "exact": 0.0,
    },
}
# Stands for a missing figure (a diverged arm), so that missing against present always differs.
MISSING = -1e9
# Lists of an arm's curve, and how they are compared.
CURVE_MEASURES: Mapping[str, Measure] = {
    "train_loss": "loss",
    "test_loss": "loss",
    "test_accuracy": "accuracy",
}


@dataclass(frozen=True)
class Difference:
    """Largest difference of one quantity of one seed, over all checkpoints."""

    seed: int
    quantity: str
    measure: Measure
    largest: float
    allowed: float

    @property
    def passes(self) -> bool:
        """True if the difference is allowed."""
        return self.largest <= self.allowed


def stack_differences(recorded: Provenance, replayed: Provenance) -> list[str]:
    """Return differences that may change last bits, such as `torch: 2.13.0 -> 2.14.0`."""
    old, new = _stack(recorded), _stack(replayed)
    names = sorted({*old, *new})
    return [
        f"{name}: {old.get(name, 'absent')} -> {new.get(name, 'absent')}"
        for name in names
        if old.get(name) != new.get(name)
    ]


def _stack(provenance: Provenance) -> dict[str, object]:
    build = provenance.kernel_build
    return {
        **provenance.versions,
        "conebench commit": provenance.git_commit,
        "device": provenance.device_name,
        "threads": provenance.cpu_threads,
        "platform": provenance.platform,
        **({"images per kernel pass": build.samples_at_once} if build else {}),
    }


def compare_records(
    recorded: Record, replayed: Record, tolerance: ToleranceName
) -> list[Difference]:
    """Return the differences in raw data and T* of each replayed seed.

    Both records must have these seeds.
    """
    allowed, seeds = TOLERANCES[tolerance], {seed.seed: seed for seed in recorded.seeds}
    every = recorded.spec.kernel.checkpoints.every
    return [
        Difference(seed.seed, quantity, measure, largest, allowed[measure])
        for seed in replayed.seeds
        for quantity, measure, largest in _differences(seeds[seed.seed], seed, every)
    ]


def _differences(
    old: SeedResult, new: SeedResult, every: int
) -> Iterator[tuple[str, Measure, float]]:
    steps = old.kernel.steps == new.kernel.steps and old.training.steps == new.training.steps
    yield "checkpoints", "exact", float(not steps)
    if steps:
        yield from _along_training(old, new)
    before, after = old.phases.T_star, new.phases.T_star
    yield "T* in intervals", "intervals", _largest([before], [after]) / every
    # If T* differs, each record has arms at its own T*.
    only_one = {before, after} - {None} if before != after else set()
    arms = [{(arm.arm, arm.step): arm for arm in seed.arms} for seed in (old, new)]
    for key in {**arms[0], **arms[1]}:
        if key[1] in only_one and not (key in arms[0] and key in arms[1]):
            continue
        label = key[0] if key[1] is None else f"{key[0]}({key[1]})"
        found = [arm.get(key) for arm in arms]
        for name, measure in (("A", "accuracy"), ("loss", "loss")):
            field = "test_accuracy" if name == "A" else "test_loss"
            values = [[getattr(arm, field, None)] for arm in found]
            yield f"{name}({label})", measure, _largest(*values)  # type: ignore[misc]
        yield from _raw_arms(label, *found)


def _raw_arms(
    label: str, old: ArmResult | None, new: ArmResult | None
) -> Iterator[tuple[str, Measure, float]]:
    """Compare an arm's images and its curve."""
    # Records before schema 1.4 have neither.
    if old and new and old.correct is not None and new.correct is not None:
        # One bit per image, and padding that is 0.
        pair = [np.frombuffer(base64.b64decode(arm.correct or ""), np.uint8) for arm in (old, new)]
        if len(pair[0]) == len(pair[1]):
            bits = [np.unpackbits(packed) for packed in pair]
            yield f"images({label})", "accuracy", float(np.mean(bits[0] != bits[1]))
    if old and new and old.curve and new.curve and old.curve.steps == new.curve.steps:
        for field, measure in CURVE_MEASURES.items():
            largest = _largest(getattr(old.curve, field), getattr(new.curve, field))
            yield f"{field.replace('_', ' ')}({label})", measure, largest


def _along_training(old: SeedResult, new: SeedResult) -> Iterator[tuple[str, Measure, float]]:
    views = [seed.kernel.by_view("full") for seed in (old, new)]
    # Records before schema 1.4 have one view; the name of that one does not matter here.
    for name in [name for name in views[0] if name in views[1]]:
        yield from _kernels(views[0][name], views[1][name], "" if name == "full" else f" of {name}")
    if old.kernel.averaged and new.kernel.averaged:
        pair = _rounded(old.kernel.averaged.G()), _rounded(new.kernel.averaged.G())
        yield "G of averaged", "cosine", _largest(*pair)
    curves = old.training, new.training
    yield "training loss", "loss", _largest(*(curve.train_loss for curve in curves))
    # Older records used other test images during training.
    if curves[0].test_images == curves[1].test_images:
        yield "test loss", "loss", _largest(*(curve.test_loss for curve in curves))
        yield "test accuracy", "accuracy", _largest(*(curve.test_accuracy for curve in curves))


def _kernels(old: Trajectory, new: Trajectory, whose: str) -> Iterator[tuple[str, Measure, float]]:
    yield f"G{whose}", "cosine", _largest(_rounded(old.G()), _rounded(new.G()))
    pair = _rounded(old.G(centred=True)), _rounded(new.G(centred=True))
    yield f"G{whose}, centered", "cosine", _largest(*pair)
    for name in ("norm", "trace"):
        values = [np.array(getattr(kernel, name)) for kernel in (old, new)]
        yield f"{name}{whose}, relative", "relative", _largest(values[1] / values[0], 1.0)
    for name in ("top_eigenvalue_share", "label_alignment"):
        values = [np.array(getattr(kernel, name)) for kernel in (old, new)]
        yield f"{name.replace('_', ' ')}{whose}", "share", _largest(*values)


def _rounded(G: FloatArray) -> FloatArray:
    # Records before schema 1.4 have all digits.
    return np.round(G, GRAM_DECIMALS)


def _largest(
    old: FloatArray | Sequence[float | None], new: FloatArray | Sequence[float | None] | float
) -> float:
    return float(np.abs(_numbers(old) - _numbers(new)).max())


def _numbers(values: FloatArray | Sequence[float | None] | float) -> FloatArray:
    if isinstance(values, Sequence):
        values = [MISSING if value is None else value for value in values]
    return np.asarray(values, dtype=np.float64)
