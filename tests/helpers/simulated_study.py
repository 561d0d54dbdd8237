"""Cells of the study with effects that are chosen, and records of all its specs."""

import functools
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from conebench.spec import Spec, load_specs
from conebench.study.figures import Cell, SeedValues
from conebench.study.levels import Level, levels_of
from conebench.study.plan import BLOCK_OF
from conebench.study.responses import RESPONSES

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "specs").glob("study-*.yaml")), ROOT / "specs/resnet20-c2-jpeg.yaml"]
Levels = Mapping[str, Level]
# Centers of the simulated responses; differences between seeds and noise are a tenth of the margin.
CENTERS = {"turn": 25.0, "cone": 3.0, "alpha": 0.3, "motion": 0.02, "label_alignment": 0.4}
SPREAD = {"turn": 0.5, "cone": 0.15, "alpha": 0.02, "motion": 0.0008}


@functools.cache
def study_specs() -> dict[str, Spec]:
    """Return the resolved specs of all cells, without those of the rates."""
    found = {spec.spec.name: spec.spec.resolved() for f in FILES for spec in load_specs(f)}
    return {name: spec for name, spec in found.items() if name in BLOCK_OF}


def simulate(
    effects: Mapping[str, Callable[[Levels], float]] | None = None,
    *,
    seed: int = 0,
    names: Iterable[str] | None = None,
    undefined: Iterable[tuple[str, int, str]] = (),
) -> dict[str, Cell]:
    """Return cells whose responses are a center, plus an effect of the levels, plus noise.

    `undefined` names (spec, seed, response) that are missing. Motion is multiplied.
    """
    missing = set(undefined)
    return {
        name: _cell(spec, effects or {}, seed, missing)
        for name, spec in study_specs().items()
        if names is None or name in set(names)
    }


def _cell(
    spec: Spec,
    effects: Mapping[str, Callable[[Levels], float]],
    draw: int,
    missing: set[tuple[str, int, str]],
) -> Cell:
    levels = levels_of(spec)
    seeds = []
    for seed in spec.seeds:
        of_seed = np.random.default_rng([draw, seed, 1])
        rng = np.random.default_rng([draw, seed, zlib.crc32(spec.name.encode())])
        values = {}
        for response in RESPONSES:
            key = response.key
            spread = SPREAD.get(key, 0.002)
            shared, own = 3 * spread * of_seed.normal(), spread * rng.normal()
            change = effects.get(key, lambda _: 0.0)(levels)
            base = CENTERS.get(key, 0.05)
            value = base + shared + own
            value = value * np.exp(change) if response.kind == "log" else value + change
            if (spec.name, seed, key) not in missing:
                values[key] = float(value)
        seeds.append(SeedValues(seed, "two phases", values, {}))
    batchnorm = spec.kernel.batchnorm
    head = (spec.name, spec.title, "0" * 8, "2026-01-01", 360, "trace", batchnorm)
    return Cell(*head, levels, tuple(seeds))
