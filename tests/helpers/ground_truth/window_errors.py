"""Errors of the window's figures over trajectories that are known; no draw is left out."""

import functools

import numpy as np
from ground_truth.known_windows import CASES, TOTAL, Case, Known
from ground_truth.strength_candidates import CANDIDATES, plain_exponent

from conebench.analysis.distance import FloatArray
from conebench.analysis.window import SHARE, WindowFigures, late_window, measure_window

DRAWS = 200
RATES = np.full(TOTAL, 0.1)


def figures_of(known: Known, share: float = SHARE) -> tuple[WindowFigures, FloatArray]:
    """Return the figures of one trajectory and the Gram matrix of its window."""
    G, stretch = known.h @ known.h.T, (0, TOTAL)
    members = late_window(known.steps, known.every, stretch, share)
    figures = measure_window(G, known.steps, known.every, stretch, RATES, share)
    return figures, G[np.ix_(members, members)]


@functools.cache
def measure(case: Case) -> dict[str, FloatArray]:
    """Return estimates and errors by name, [DRAWS]; NaN where undefined."""
    found = [_estimates(case.draw(np.random.default_rng(seed))) for seed in range(DRAWS)]
    return {name: np.array([one[name] for one in found], dtype=np.float64) for name in found[0]}


def _estimates(known: Known) -> dict[str, float | None]:
    figures, inside = figures_of(known)
    estimates = {
        "turn error": None if figures.turn_deg is None else figures.turn_deg - known.turn_deg,
        "cone": figures.cone_deg,
        "cone 95": figures.cone_95_deg,
        "N": figures.N,
        "alpha": figures.alpha,
        "plain alpha": None if figures.alpha is None else plain_exponent(inside),
        "VR": figures.VR,
        "drift": figures.drift,
        "true CES": known.CES,
    }
    return estimates | {name: value(figures, inside) for name, value in CANDIDATES.items()}


def case_named(name: str) -> Case:
    """Return one of the cases."""
    return next(case for case in CASES if case.name == name)
