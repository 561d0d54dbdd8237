"""Prints the tables of the late window's errors in docs/method.md."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from ground_truth import accuracy_coverage, window_coverage
from ground_truth.accuracy_coverage import SEEDS_ALONE, WORLDS
from ground_truth.known_windows import CASES, Case
from ground_truth.strength_candidates import CANDIDATES
from ground_truth.tables import markdown
from ground_truth.window_coverage import COVERED
from ground_truth.window_errors import measure

from conebench.analysis.distance import FloatArray


def mean_and_spread(values: FloatArray, decimals: int) -> str:
    """Return mean ± standard deviation of what is defined, or a dash."""
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return "–"
    middle, spread = round(float(known.mean()), decimals) + 0.0, float(known.std(ddof=1))
    return f"{middle:.{decimals}f} ± {spread:.{decimals}f}"


BOOTSTRAP = "B, bootstrap of both"
COLUMNS = {
    "turn error, °": ("turn error", 1),
    "cone angle, °": ("cone", 1),
    "95 %, °": ("cone 95", 1),
    "N": ("N", 2),
    "α": ("alpha", 2),
    "plain α": ("plain alpha", 2),
    "VR": ("VR", 2),
    "drift": ("drift", 2),
}


def figures_table() -> str:
    """Return the figures of each known trajectory, mean ± spread over draws."""
    rows = []
    for case in CASES:
        found = measure(case)
        defined = f"{100 * np.isfinite(found['alpha']).mean():.0f}"
        cells = (mean_and_spread(found[name], digits) for name, digits in COLUMNS.values())
        rows.append((case.name, defined, *cells))
    return markdown(("trajectory", "defined, %", *COLUMNS), rows)


def candidates_table() -> str:
    """Return each candidate of CES against its true value."""
    head = ("trajectory", "true", *CANDIDATES)
    return markdown(head, [_candidates(case) for case in CASES])


def _candidates(case: Case) -> tuple[str, ...]:
    found = measure(case)
    cells = (mean_and_spread(found[name], 0) for name in CANDIDATES)
    return (case.name, mean_and_spread(found["true CES"], 0), *cells)


def coverage_table() -> str:
    """Return how often intervals over seeds hold the truth, in percent."""
    names = {"turn": "turn_deg", "cone angle": "cone_deg", "95 %": "cone_95_deg", "N": "N"}
    names |= {"α": "alpha", "VR": "VR", "motion": "motion", "drift": "drift", "CES": "CES"}
    rows = []
    for case in COVERED:
        for seeds in (3, 5):
            held = window_coverage.coverage(case, seeds)
            shares = (f"{100 * held[name]:.0f}" for name in names.values())
            rows.append((case.name, str(seeds), *shares))
    return markdown(("trajectory", "seeds", *names), rows)


def accuracy_table() -> str:
    """Return how often intervals over seeds and images hold the truth, in percent."""
    names = ("B", "lazy gap", "Γ", SEEDS_ALONE)
    rows = []
    for world in WORLDS:
        for seeds, images in ((3, 360), (5, 360), (5, 2000)):
            held = accuracy_coverage.coverage(world, seeds, images)
            held[BOOTSTRAP] = accuracy_coverage.bootstrap_coverage(world, seeds, images)
            shares = (f"{100 * held[name]:.0f}" for name in (*names, BOOTSTRAP))
            rows.append((world.name, str(seeds), f"{images:,}", *shares))
    return markdown(("arms", "seeds", "images", *names, BOOTSTRAP), rows)


if __name__ == "__main__":
    for table in (figures_table, candidates_table, coverage_table, accuracy_table):
        sys.stdout.write(f"{table()}\n")
