"""How much the late window's figures of real trajectories move with choices of measurement."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ground_truth.tables import markdown

from conebench.analysis.cone_strength import ConeStrength, cone_strength
from conebench.analysis.distance import FloatArray, IntArray
from conebench.analysis.intervals import Estimate
from conebench.analysis.window import SHARE, WindowFigures, measure_window

# Figures that are compared as factors; the others as differences.
FACTORS = ("turn_deg", "cone_deg", "cone_95_deg", "VR", "motion", "drift")
FIGURES = ("turn_deg", "cone_deg", "cone_95_deg", "N", "alpha", "VR", "motion", "drift")


@dataclass(frozen=True)
class Trajectory:
    """The Gram matrices of one seed, by name of what was measured."""

    run: str
    seed: int
    steps: IntArray
    every: int
    learning_rate: float
    G: Mapping[str, FloatArray]


@dataclass(frozen=True)
class Way:
    """One way to measure a trajectory: which G, which window, how long, how fine."""

    view: str
    share: float = SHARE
    part: float = 1.0
    thinning: int = 1


def measured(trajectory: Trajectory, way: Way) -> WindowFigures | None:
    """Return the figures; None where this G was not measured."""
    if way.view not in trajectory.G:
        return None
    steps, every = trajectory.steps, trajectory.every * way.thinning
    end = round(way.part * int(steps[-1])) // every * every
    kept = steps <= end
    G = trajectory.G[way.view][np.ix_(kept, kept)]
    rates = np.full(end, trajectory.learning_rate)
    return measure_window(G, steps[kept], every, (0, end), rates, way.share)


def changes(base: Way, others: Mapping[str, Way] | None = None) -> dict[str, tuple[Way, ...]]:
    """Return the changes by name; several ways of one change are pooled."""
    named: dict[str, tuple[Way, ...]] = {
        "T to 3/4 T": (replace(base, part=0.75),),
        "grid halved": (replace(base, thinning=2),),
        "both": (replace(base, part=0.75, thinning=2),),
    }
    named |= {f"w = {w}": (replace(base, share=w),) for w in (0.2, 0.3, 0.5) if w != base.share}
    return named | {name: (way,) for name, way in (others or {}).items()}


def figures_table(
    trajectories: Sequence[Trajectory], base: Way, others: Mapping[str, tuple[Way, ...]]
) -> str:
    """Return median / largest change of each figure: factors of angles, else differences."""
    rows = []
    for name, ways in others.items():
        cells = []
        pairs = [
            (measured(trajectory, base), measured(trajectory, way))
            for way, trajectory in itertools.product(ways, trajectories)
        ]
        for figure in FIGURES:
            found = [_change(one, other, figure) for one, other in pairs]
            cells.append(_summary([value for value in found if value is not None], figure))
        rows.append((name, str(sum(other is not None for _, other in pairs)), *cells))
    return markdown(("change", "runs", *FIGURES), rows)


def _change(one: WindowFigures | None, other: WindowFigures | None, figure: str) -> float | None:
    before, after = getattr(one, figure, None), getattr(other, figure, None)
    if before is None or after is None:
        return None
    return abs(float(np.log(after / before)) if figure in FACTORS else after - before)


def _summary(found: Sequence[float], figure: str) -> str:
    if not found:
        return "–"
    show: Callable[[float], str] = (
        (lambda x: f"{np.exp(x):.2f}") if figure in FACTORS else lambda x: f"{x:.3f}"
    )
    return f"{show(float(np.median(found)))} / {show(max(found))}"


def strength_of(trajectories: Iterable[Trajectory], run: str, way: Way) -> ConeStrength | None:
    """Return CES of one run; None where this G was not measured."""
    found = [measured(trajectory, way) for trajectory in trajectories if trajectory.run == run]
    known = [figures for figures in found if figures is not None]
    return cone_strength(known) if len(known) == len(found) else None


def pooled_spread(strengths: Iterable[ConeStrength]) -> float:
    """Return the standard deviation of CES between seeds, pooled over runs."""
    spreads = [np.var(s.contributions, ddof=1) for s in strengths if len(s.contributions) > 1]
    return float(np.sqrt(np.mean(spreads)))


def strength_table(
    trajectories: Sequence[Trajectory], base: Way, others: Mapping[str, tuple[Way, ...]]
) -> str:
    """Return CES of each run with its interval, and its change under each choice.

    A star marks a change that leaves the interval.
    """
    runs = list(dict.fromkeys(trajectory.run for trajectory in trajectories))
    rows = []
    for run in runs:
        known = strength_of(trajectories, run, base)
        cells = [_change_of_strength(trajectories, run, known, ways) for ways in others.values()]
        rows.append((run, _shown(known), *cells))
    return markdown(("run", "CES", *others), rows)


def leaves_interval(known: Estimate, found: Estimate) -> bool:
    """Return True if a value lies outside of another one's interval."""
    return (
        known.low is not None
        and known.high is not None
        and not (known.low <= found.value <= known.high)
    )


def _shown(strength: ConeStrength | None) -> str:
    if strength is None or strength.CES is None:
        return "–" if strength is None else str(strength.undefined)
    CES = strength.CES
    ends = "" if CES.low is None or CES.high is None else f" [{CES.low:.0f}, {CES.high:.0f}]"
    return f"{CES.value:.0f}{ends} ({CES.seeds})"


def _change_of_strength(
    trajectories: Sequence[Trajectory], run: str, known: ConeStrength | None, ways: tuple[Way, ...]
) -> str:
    cells = []
    for way in ways:
        found = strength_of(trajectories, run, way)
        if known is None or known.CES is None or found is None or found.CES is None:
            cells.append("–")
        else:
            star = "*" if leaves_interval(known.CES, found.CES) else ""
            cells.append(f"{found.CES.value - known.CES.value:+.0f}{star}")
    return ", ".join(cells)
