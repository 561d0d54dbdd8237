"""Statistics of a study: contrasts within seeds, factorials, centers, and what may be said.

Pure functions of figures per seed, as docs/study.md registers them. The unit is the seed.
"""

from conebench.analysis.study.centers import Pooled, pool
from conebench.analysis.study.claim import Claim, is_confined, judge_claim
from conebench.analysis.study.contrasts import (
    mean_difference,
    side_difference,
    slope,
    slope_weights,
)
from conebench.analysis.study.counts import Count, count_of
from conebench.analysis.study.decisions import (
    Verdict,
    adjusted_p_values,
    decide,
    equivalence_p,
    is_equivalent,
)
from conebench.analysis.study.effect import Effect, mean_over_seeds
from conebench.analysis.study.factorial import (
    Decomposition,
    FactorialEffect,
    complete_seeds,
    decompose,
)
from conebench.analysis.study.measurement import ProbeVariance, probe_variance

__all__ = [
    "Claim",
    "Count",
    "Decomposition",
    "Effect",
    "FactorialEffect",
    "Pooled",
    "ProbeVariance",
    "Verdict",
    "adjusted_p_values",
    "complete_seeds",
    "count_of",
    "decide",
    "decompose",
    "equivalence_p",
    "is_confined",
    "is_equivalent",
    "judge_claim",
    "mean_difference",
    "mean_over_seeds",
    "pool",
    "probe_variance",
    "side_difference",
    "slope",
    "slope_weights",
]
