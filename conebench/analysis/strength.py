"""Cone-effect strength over seeds, and ranks (docs/method.md, Strength)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from conebench.analysis.cone import Cone
from conebench.analysis.distance import FloatArray, says
from conebench.analysis.intervals import Estimate, bootstrap, mean_estimate
from conebench.analysis.phases import Phases

Verdict = Literal[
    "measured",
    "no Phase II",
    "no constant learning rate",
    "arm diverged",
    "arm missing",
    "lazy gap not significant",
]

# Ranges of figures, at which their intervals end.
SHARE, ANGLE = (0.0, 1.0), (0.0, 90.0)


@dataclass(frozen=True)
class SeedOutcome:
    """Outcome of one seed; accuracies are None for missing or diverged arms."""

    phases: Phases
    cone: Cone | None
    A_lazy: float | None
    A_switched: float | None
    A_full: float | None
    diverged: bool


@dataclass(frozen=True)
class Summary:
    """The board's figures, means over seeds with their intervals.

    A figure is None if undefined. `verdict` is "measured" if CES is defined, else the reason why it
    is not; `detail` is a sentence about it.
    """

    verdict: Verdict = field(metadata=says("`measured`, or why CES is undefined."))
    detail: str = field(metadata=says("The verdict in a sentence."))
    CES: Estimate | None = field(metadata=says("Cone-effect strength, 100 √(N Γ)."))
    Gamma: Estimate | None = field(
        metadata=says(
            "Cone share, 1 − R clipped to [0, 1]: the part of A(full) − A(lazy) that needs "
            "non-linear training after T*."
        )
    )
    R: Estimate | None = field(
        metadata=says("Recovered share, (A(switched(T*)) − A(lazy)) / lazy gap.")
    )
    lazy_gap: Estimate | None = field(metadata=says("A(full) − A(lazy)."))
    N: Estimate | None = field(
        metadata=says("Narrowness of the cone, 1 − half-angle / turn, clipped to [0, 1].")
    )
    alpha: Estimate | None = field(
        metadata=says(
            "Confinement exponent of S against the lag in Phase II: 0 is bounded at every lag, 1 "
            "is diffusion, 2 is a straight line."
        )
    )
    floor: Estimate | None = field(
        metadata=says("Kernel distance S between neighboring checkpoints late in Phase II.")
    )
    T_star: Estimate | None = field(
        metadata=says("Step at which Phase I ends, by the velocity floor.")
    )
    turn_deg: Estimate | None = field(
        metadata=says("Angle from the first kernel to the cone’s axis, in degrees.")
    )
    half_angle_deg: Estimate | None = field(
        metadata=says("Largest angle from the cone’s axis to a kernel of Phase II, in degrees.")
    )
    A_lazy: Estimate | None = field(
        metadata=says("Test accuracy at T of the network linearized at the linearization point.")
    )
    A_switched: Estimate | None = field(
        metadata=says("Test accuracy at T of ordinary training to T*, linearized from there on.")
    )
    A_full: Estimate | None = field(metadata=says("Test accuracy at T of ordinary training."))


def summarize(seeds: Sequence[SeedOutcome]) -> Summary:
    """Compute the board's figures over the seeds of one run.

    With A averaged over seeds: lazy gap = A(full) - A(lazy), R = (A(switched(T*)) - A(lazy)) / lazy
    gap, Gamma = clip(1 - R, 0, 1), CES = 100 sqrt(N Gamma).

    Args:
        seeds: outcome of each seed.

    Returns:
        Estimates with intervals. R, Gamma and CES are None unless every seed has a Phase II and all
        three arms, and the lazy gap is significantly positive.

    Example:
        >>> phases = Phases("two phases", 200, 0.02, 150, estimators_disagree=False)
        >>> cone = Cone(20.0, 18.0, 60.0, 0.64, 0.1, 300.0, 10.0)
        >>> seed = SeedOutcome(phases, cone, 0.5, 0.7, 0.9, diverged=False)
        >>> summary = summarize([seed, seed])
        >>> summary.verdict, round(summary.Gamma.value, 6), round(summary.CES.value, 3)
        ('measured', 0.5, 56.569)

    """
    cones = [seed.cone for seed in seeds if seed.cone is not None]
    gap = _lazy_gap(seeds)
    verdict, detail = _verdict(seeds, gap)
    shares = _shares(seeds) if verdict == "measured" else (None, None, None)
    return Summary(
        verdict=verdict,
        detail=detail,
        R=shares[0],
        Gamma=shares[1],
        CES=shares[2],
        lazy_gap=gap,
        N=_mean([cone.N for cone in cones], SHARE),
        alpha=_mean([cone.alpha for cone in cones]),
        turn_deg=_mean([cone.turn_deg for cone in cones], ANGLE),
        half_angle_deg=_mean([cone.half_angle_deg for cone in cones], ANGLE),
        floor=_mean([s.phases.floor for s in seeds if s.phases.T_star is not None], SHARE),
        T_star=_mean([s.phases.T_star for s in seeds], (0.0, np.inf)),
        A_lazy=_mean([seed.A_lazy for seed in seeds], SHARE),
        A_switched=_mean([seed.A_switched for seed in seeds], SHARE),
        A_full=_mean([seed.A_full for seed in seeds], SHARE),
    )


def _mean(
    values: Sequence[float | int | None], bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate | None:
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    return mean_estimate(known, bounds) if len(known) else None


def _lazy_gap(seeds: Sequence[SeedOutcome]) -> Estimate | None:
    gaps = [
        seed.A_full - seed.A_lazy
        for seed in seeds
        if seed.A_full is not None and seed.A_lazy is not None
    ]
    return _mean(gaps)


def _verdict(seeds: Sequence[SeedOutcome], gap: Estimate | None) -> tuple[Verdict, str]:
    total = len(seeds)
    if any(seed.diverged for seed in seeds):
        count = sum(seed.diverged for seed in seeds)
        return "arm diverged", f"an arm that CES needs diverged in {count} of {total} seeds"
    for outcome in ("no constant learning rate", "no Phase II"):
        count = sum(seed.phases.outcome == outcome for seed in seeds)
        if count and outcome == "no Phase II":
            return outcome, f"the kernel never settles in {count} of {total} seeds"
        if count:
            return outcome, "T* needs a stretch of constant learning rate with 8 intervals"
    missing = [name for seed in seeds for name in _missing_arms(seed)]
    if missing:
        needed = "CES needs the arms lazy, switched(T*) and full of every seed"
        return "arm missing", f"{needed}; missing: {', '.join(dict.fromkeys(missing))}"
    if gap is None or (gap.value if gap.low is None else gap.low) <= 0:
        return "lazy gap not significant", "A(full) - A(lazy) is not significantly above zero"
    return "measured", f"CES = 100 sqrt(N Gamma){_odd_phases(seeds)}"


def _missing_arms(seed: SeedOutcome) -> list[str]:
    arms = {
        "lazy": seed.A_lazy,
        f"switched({seed.phases.T_star})": seed.A_switched,
        "full": seed.A_full,
        # Not an arm, but N comes from it.
        "the cone": seed.cone,
    }
    return [name for name, found in arms.items() if found is None]


def _odd_phases(seeds: Sequence[SeedOutcome]) -> str:
    """Return a note on outcomes for which CES is defined but odd."""
    texts = {
        "no Phase I": "no Phase I, so N = 0,",
        "frozen": "the kernel stands still after T*",
    }
    counts = {name: sum(seed.phases.outcome == name for seed in seeds) for name in texts}
    return "".join(
        f"; {texts[name]} in {count} of {len(seeds)} seeds"
        for name, count in counts.items()
        if count
    )


def _shares(seeds: Sequence[SeedOutcome]) -> tuple[Estimate, Estimate, Estimate]:
    """Return R, Gamma and CES."""
    # Columns A(lazy), A(switched(T*)), A(full), N, paired by seed.
    table = np.array(
        [(s.A_lazy, s.A_switched, s.A_full, s.cone.N if s.cone else None) for s in seeds],
        dtype=np.float64,
    )
    # The spread is that of unclipped figures: clipped resamples would have none at the ends.
    R = bootstrap(table, _recovered)
    Gamma = _share(1 - R.value)
    product = bootstrap(table, _unclipped_product).moved(float(table[:, 3].mean()) * Gamma)
    return (
        R,
        R.moved(Gamma).mapped(_share),
        product.mapped(lambda value: 100 * math.sqrt(_share(value))),
    )


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def _recovered(means: FloatArray) -> FloatArray:
    """Return R of each row, NaN without a positive gap."""
    gap = means[:, 2] - means[:, 0]
    # A resample without a gap has no R, and is left out of the spread.
    safe_gap = np.where(gap > 0, gap, np.nan)
    return np.asarray((means[:, 1] - means[:, 0]) / safe_gap)


def _unclipped_product(means: FloatArray) -> FloatArray:
    """Return N (1 - R) of each row."""
    return np.asarray(means[:, 3] * (1 - _recovered(means)))


def shared_ranks(estimates: Sequence[Estimate | None]) -> list[int | None]:
    """Rank rows by the number of intervals above their own.

    Args:
        estimates: the figure of each row, None if undefined.

    Returns:
        1 + the number of intervals that lie wholly above a row's own; None without an interval.

    Example:
        >>> intervals = [(10.0, 12.0), (7.0, 11.0), (5.0, 9.0)]
        >>> estimates = [Estimate((low + high) / 2, low, high, 3) for low, high in intervals]
        >>> shared_ranks([*estimates, None])
        [1, 1, 2, None]

    """
    return [
        None
        if row is None or row.high is None
        else 1 + sum(o is not None and o.low is not None and o.low > row.high for o in estimates)
        for row in estimates
    ]
