"""Phases, cone and strength, from Gram matrices and accuracies.

Every figure of docs/method.md is computed here, by pure functions of what a record holds: G, the
kernels' norms and traces, and which test images the arms got right. Symbols are those of the
documentation: G, S, w, N, alpha, VR, T*, B, Gamma, CES.
"""

from conebench.analysis.accuracy import benefit, kernel_benefit, lazy_gap, share_of_lazy_gap
from conebench.analysis.cone import cone_picture
from conebench.analysis.cone_strength import ConeStrength, cone_strength
from conebench.analysis.confinement import confinement_exponent, walk_ratio
from conebench.analysis.distance import angles_deg, distances, velocity
from conebench.analysis.intervals import Estimate, mean_estimate
from conebench.analysis.phases import Phases, find_phases
from conebench.analysis.ranking import rank_ranges
from conebench.analysis.strength import SeedFigures, Summary, SwitchFigures, summarize
from conebench.analysis.window import WindowFigures, late_window, measure_window

__all__ = [
    "ConeStrength",
    "Estimate",
    "Phases",
    "SeedFigures",
    "Summary",
    "SwitchFigures",
    "WindowFigures",
    "angles_deg",
    "benefit",
    "cone_picture",
    "cone_strength",
    "confinement_exponent",
    "distances",
    "find_phases",
    "kernel_benefit",
    "late_window",
    "lazy_gap",
    "mean_estimate",
    "measure_window",
    "rank_ranges",
    "share_of_lazy_gap",
    "summarize",
    "velocity",
    "walk_ratio",
]
