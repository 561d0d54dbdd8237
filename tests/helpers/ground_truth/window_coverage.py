"""How often 95 % intervals over seeds hold the population's value; undefined counts as a miss."""

import functools

import numpy as np
from ground_truth.known_windows import (
    SIZE,
    Case,
    Known,
    Motion,
    along,
    mean_reverting,
    memoryless,
    turning,
)
from ground_truth.window_errors import figures_of

from conebench.analysis.cone_strength import BOUNDS, cone_strength
from conebench.analysis.distance import FloatArray
from conebench.analysis.intervals import Estimate, mean_estimate
from conebench.analysis.window import WindowFigures

POOL = 3000
FIGURES = ("turn_deg", "cone_deg", "cone_95_deg", "N", "alpha", "VR", "motion", "drift")


def _sometimes_frozen(rng: np.random.Generator) -> Known:
    draw = _case("", along(np.zeros_like)) if rng.random() < 0.1 else COVERED[0]
    return draw.draw(rng)


def _case(name: str, motion: Motion) -> Case:
    return Case(name, turning(motion, turns=(50.0, 60.0), intervals=(50,)))


COVERED = (
    _case("mean-reverting, memory W/10", mean_reverting(SIZE, memory=0.07)),
    _case("memoryless walk", memoryless(12.0)),
    _case("memoryless walk in 5 dimensions", memoryless(12.0, dimension=5)),
    _case("memoryless walk, steps as t^-3/2", memoryless(12.0, slowing=3.0)),
    Case(
        "never turns, memory W/10",
        turning(mean_reverting(SIZE, memory=0.07), turns=(0.0, 0.0), intervals=(50,)),
    ),
    Case("mean-reverting; one seed of ten frozen", _sometimes_frozen),
)


@functools.cache
def pool(case: Case, size: int = POOL) -> list[WindowFigures]:
    """Return the figures of many seeds of one run."""
    return [figures_of(case.draw(np.random.default_rng(seed)))[0] for seed in range(size)]


def coverage(case: Case, seeds: int, size: int = POOL) -> dict[str, float]:
    """Return the share of intervals that hold the value of the population, by figure."""
    found = pool(case, size)
    truth = {name: _population_mean(found, name) for name in FIGURES}
    strength = float(np.clip(100 * truth["N"] * (1 - truth["alpha"]), *BOUNDS))
    held: dict[str, list[bool]] = {name: [] for name in (*FIGURES, "CES")}
    for at in range(0, len(found) - seeds + 1, seeds):
        run = found[at : at + seeds]
        for name in FIGURES:
            held[name].append(_holds(_mean(run, name), truth[name]))
        held["CES"].append(_holds(cone_strength(run).CES, strength))
    return {name: float(np.mean(of_runs)) for name, of_runs in held.items()}


def _population_mean(found: list[WindowFigures], name: str) -> float:
    return float(np.nanmean(_column(found, name)))


def _mean(run: list[WindowFigures], name: str) -> Estimate | None:
    values = _column(run, name)
    return None if np.isnan(values).any() else mean_estimate(values)


def _column(found: list[WindowFigures], name: str) -> FloatArray:
    return np.array([getattr(figures, name) for figures in found], dtype=np.float64)


def _holds(estimate: Estimate | None, truth: float) -> bool:
    if estimate is None or estimate.low is None or estimate.high is None:
        return False
    return estimate.low <= truth <= estimate.high
