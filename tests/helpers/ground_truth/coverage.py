"""How often 95 % intervals over seeds hold the truth."""

import functools
from dataclasses import replace
from typing import Literal

import numpy as np

from conebench.analysis.cone import Cone
from conebench.analysis.distance import FloatArray
from conebench.analysis.phases import Phases
from conebench.analysis.strength import SeedOutcome, summarize

DRAWS = 1000
Figure = Literal["N", "CES"]
Interval = Literal["t", "percentiles"]

# A(lazy), A(switched(T*)), A(full) and N: Gamma in the middle, and near its end.
TRUTHS = {"Γ = 0.57": (0.30, 0.45, 0.65, 0.5), "Γ = 0.03": (0.30, 0.64, 0.65, 0.5)}
SPREAD = np.array([0.02, 0.03, 0.02, 0.05])
COVERED: tuple[tuple[Figure, str], ...] = (
    ("N", "Γ = 0.57"),
    ("CES", "Γ = 0.57"),
    ("CES", "Γ = 0.03"),
)


INTERVALS: tuple[Interval, ...] = ("t", "percentiles")


@functools.cache
def coverage(seeds: int, figure: Figure, truth: str, interval: Interval) -> float:
    """Share of 95 % intervals that hold the truth, an undefined figure counted as held."""
    rng = np.random.default_rng(seeds)
    known = np.array(TRUTHS[truth])
    expected = float(_figure(known[None], figure)[0])
    inside = 0
    for _ in range(DRAWS):
        table = known + SPREAD * rng.normal(size=(seeds, 4))
        low, high = _ends(table, figure) if interval == "t" else _percentiles(table, figure, rng)
        inside += low <= expected <= high
    return inside / DRAWS


def _figure(means: FloatArray, figure: Figure) -> FloatArray:
    if figure == "N":
        return means[:, 3]
    share = (means[:, 2] - means[:, 1]) / (means[:, 2] - means[:, 0])
    return 100 * np.sqrt(np.clip(means[:, 3] * share, 0, 1))


MEASURED = Phases("two phases", 100, 0.01, 100, estimators_disagree=False)
CONE = Cone(10.0, 9.0, 60.0, 0.5, 0.0, 90.0, 10.0)


def _ends(table: FloatArray, figure: Figure) -> tuple[float, float]:
    """The interval that the summary of these seeds has."""
    seeds = [
        SeedOutcome(MEASURED, replace(CONE, N=N), lazy, switched, full, diverged=False)
        for lazy, switched, full, N in table.tolist()
    ]
    # Two seeds may leave the lazy gap without significance, and CES undefined.
    estimate = getattr(summarize(seeds), figure)
    return (-np.inf, np.inf) if estimate is None else (estimate.low, estimate.high)


def _percentiles(
    table: FloatArray, figure: Figure, rng: np.random.Generator
) -> tuple[float, float]:
    drawn = rng.integers(0, len(table), size=(1000, len(table)))
    low, high = np.percentile(_figure(table[drawn].mean(axis=1), figure), [2.5, 97.5])
    return float(low), float(high)
