"""Figures of one record per seed, as the study needs them."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from conebench.analysis.distance import FloatArray
from conebench.analysis.window import WindowFigures
from conebench.record import ArmResult, Record, SeedResult, unpack_bits
from conebench.spec import Spec
from conebench.spec.arms import settings_differ
from conebench.spec.schedule import window_start
from conebench.study.levels import Level, levels_of
from conebench.study.papers import paper_figures
from conebench.study.responses import ARMS, EARLY_SHARE, LOSS_ARMS, Response

# Fields of a late window, by response.
WINDOW_FIELDS = {
    "turn": "turn_deg",
    "cone": "cone_deg",
    "alpha": "alpha",
    "motion": "motion",
    "interval_distance": "floor",
    "drift": "drift",
    "VR": "VR",
}


@dataclass(frozen=True)
class SeedValues:
    """One seed of a cell."""

    seed: int
    outcome: str
    # By response; of another view as "turn@full". Undefined ones are missing.
    values: Mapping[str, float]
    # Which test images each arm got right, as records store it, by the names in `ARMS`.
    right: Mapping[str, str]


@dataclass(frozen=True)
class Cell:
    """One record, as a cell of the study or not."""

    spec: str
    title: str
    record: str
    created: str
    test_images: int
    # The view of the kernel that its figures are of, where they name none.
    view: str
    # Which statistics of BatchNorm its kernels are taken with.
    batchnorm: str
    levels: Mapping[str, Level]
    seeds: tuple[SeedValues, ...]

    @property
    def seed_numbers(self) -> tuple[int, ...]:
        """The seeds of the record."""
        return tuple(seed.seed for seed in self.seeds)

    def value(self, seed: int, response: Response) -> FloatArray | None:
        """Return a response in one seed. It has a value per test image, or a single one.

        It is on the scale of the analysis. None if it is undefined, or the seed is not there.
        """
        found = next((of_seed for of_seed in self.seeds if of_seed.seed == seed), None)
        return None if found is None else _value(found, self.test_images, response)


def _value(found: SeedValues, images: int, response: Response) -> FloatArray | None:
    value = found.values.get(response.key)
    if value is None:
        return None
    better, worse = ARMS.get(response.key, ("", ""))
    if better in found.right and worse in found.right:
        return _bits(found.right[better], images) - _bits(found.right[worse], images)
    known = response.analyzed(value)
    return None if known is None else np.array([known])


@functools.lru_cache(maxsize=4096)
def _bits(text: str, images: int) -> FloatArray:
    return unpack_bits(text, images).astype(np.float64)


def figures_of(record: Record, record_id: str) -> Cell:
    """Return the figures of a recomputed record."""
    spec = record.spec
    return Cell(
        spec=spec.name,
        title=spec.title,
        record=record_id,
        created=record.provenance.created_at,
        test_images=record.data.test_images,
        view=next(iter(record.seeds[0].kernel.by_view(spec.kernel.outputs or "full"))),
        batchnorm=spec.kernel.batchnorm,
        levels=levels_of(spec),
        seeds=tuple(_seed_values(spec, seed) for seed in record.seeds),
    )


def _seed_values(spec: Spec, seed: SeedResult) -> SeedValues:
    arms = _arms(spec, seed)
    found = {
        **_geometry(seed),
        **_along_training(spec, seed),
        **_differences(arms),
        **paper_figures(spec, seed),
    }
    return SeedValues(
        seed=seed.seed,
        outcome=seed.outcome,
        values={key: float(value) for key, value in found.items() if value is not None},
        right={name: arm.correct for name, arm in arms.items() if arm.correct is not None},
    )


def _geometry(seed: SeedResult) -> dict[str, float | None]:
    """Return the figures of every view's late window."""
    found: dict[str, float | None] = {}
    for i, view in enumerate(seed.windows or ()):
        suffix = f"@{view.view}" if i else ""
        for key, value in _window_values(view.figures).items():
            found[key + suffix] = value
    return found


def _window_values(figures: WindowFigures) -> dict[str, float | None]:
    found: dict[str, float | None] = {k: getattr(figures, f) for k, f in WINDOW_FIELDS.items()}
    drift = found["drift"]
    found["drift_from_1"] = None if not drift else abs(float(np.log(drift)))
    return found


def _along_training(spec: Spec, seed: SeedResult) -> dict[str, float | None]:
    """Return figures at w, and the ends of phases."""
    kernel, w = seed.kernel.primary, window_start(spec)
    found: dict[str, float | None] = {"T_star": seed.phases.T_star, "T_fit": seed.T_fit}
    if w in kernel.steps:
        at = kernel.steps.index(w)
        found["label_alignment"] = kernel.label_alignment[at]
        found["norm_ratio"] = kernel.norm[at] / kernel.norm[0]
    return found


def _arms(spec: Spec, seed: SeedResult) -> dict[str, ArmResult]:
    """Return the finished arms by the names in `ARMS`."""
    finished = {(arm.arm, arm.step): arm for arm in seed.arms if arm.status == "finished"}
    named = {"full": finished.get(("full", None)), "lazy": finished.get(("lazy", 0))}
    for name, step in (("w", window_start(spec)), ("early", round(EARLY_SHARE * spec.total_steps))):
        named[f"switched({name})"] = finished.get(("switched", step))
        named[f"probe({name})"] = finished.get(("probe", step))
        # Where linear arms are trained as `full` is, it is the control itself.
        own = settings_differ(spec)
        named[f"control({name})"] = finished.get(("control", step)) if own else named["full"]
    return {name: arm for name, arm in named.items() if arm is not None}


def _differences(arms: Mapping[str, ArmResult]) -> dict[str, float | None]:
    """Return differences of accuracies and of losses between arms."""
    found: dict[str, float | None] = {}
    for field, pairs in (("test_accuracy", ARMS), ("test_loss", LOSS_ARMS)):
        for key, (first, second) in pairs.items():
            if first in arms and second in arms:
                found[key] = getattr(arms[first], field) - getattr(arms[second], field)
    return found
