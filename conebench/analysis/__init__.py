"""Phases, cone and strength, from Gram matrices and accuracies.

Every figure of docs/method.md is computed here, by pure functions of what a record holds: G, the
kernels' norms and traces, and the arms' accuracies. Symbols are those of the documentation: G, S,
T*, N, alpha, R, Gamma, CES.
"""

from conebench.analysis.cone import Cone, cone_picture, measure_cone
from conebench.analysis.distance import angles_deg, distances, velocity
from conebench.analysis.intervals import Estimate, mean_estimate
from conebench.analysis.phases import Phases, find_phases
from conebench.analysis.strength import SeedOutcome, Summary, shared_ranks, summarize

__all__ = [
    "Cone",
    "Estimate",
    "Phases",
    "SeedOutcome",
    "Summary",
    "angles_deg",
    "cone_picture",
    "distances",
    "find_phases",
    "mean_estimate",
    "measure_cone",
    "shared_ranks",
    "summarize",
    "velocity",
]
