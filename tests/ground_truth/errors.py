"""Errors of the estimators over many random trajectories; prints the tables of docs/method.md."""

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np

sys.path.insert(0, str(FilePath(__file__).parents[1]))

from ground_truth import first_versions
from ground_truth.trajectories import (
    TOTAL,
    Kind,
    Path,
    Turn,
    along_a_circle,
    contrast,
    expected_floor,
    grid,
    known_T_star,
    turned_again,
    unit_kernels,
)

from conebench.analysis.bootstrap import bootstrap
from conebench.analysis.cone import measure_cone
from conebench.analysis.distance import FloatArray, IntArray, lagged_distances, uniform_part
from conebench.analysis.phases import PhaseOutcome, find_phases
from conebench.analysis.stretches import measure_stretches

DRAWS, INTERVAL_DRAWS = 100, 1000
TURNS: tuple[Turn, ...] = ("steady", "slowing")
FAST, SLOW = 4.0, 1.0


@dataclass(frozen=True)
class Drawn:
    """One trajectory, and what is known of it; None for what has no known value."""

    h: FloatArray
    steps: IntArray
    every: int
    T_star: int | None = None
    floor: float | None = None
    half_angle_deg: float | None = None
    turn_deg: float | None = None
    drop: int | None = None
    half_angle_after_deg: float | None = None
    turn_after_deg: float | None = None


Draw = Callable[[np.random.Generator], Drawn]


@dataclass(frozen=True)
class Case:
    """A kind of trajectory and the outcome that is right for it."""

    name: str
    draw: Draw
    outcome: PhaseOutcome


def _any_grid(rng: np.random.Generator) -> tuple[IntArray, int]:
    return grid(int(rng.choice([20, 40, 100])), early=bool(rng.integers(2)))


def _any_path(kind: Kind, turn: Turn, every: int, rng: np.random.Generator) -> Path:
    return Path(
        kind,
        turn,
        turn_deg=rng.uniform(30, 80),
        settle=int(TOTAL * rng.uniform(0.05, 0.4)),
        half_angle_deg=rng.uniform(3, 15),
        memory=every * rng.uniform(0.3, 3),
        dimension=int(rng.choice([5, 30, 300])),
    )


def settling(kind: Kind, turn: Turn | None = None, *, fast: bool = True) -> Draw:
    """Turns before the middle; fast or slow against what the kernel does about the axis."""

    def draw(rng: np.random.Generator) -> Drawn:
        while True:
            steps, every = _any_grid(rng)
            path = _any_path(kind, turn or rng.choice(TURNS), every, rng)
            ratio = contrast(path, every)
            if (ratio >= FAST if fast else ratio < SLOW) and known_T_star(path, every) < TOTAL / 2:
                return _settled(path, steps, every, rng)

    return draw


def _settled(path: Path, steps: IntArray, every: int, rng: np.random.Generator) -> Drawn:
    sharp = path.kind != "diffuse"
    half_angle = 0.0 if path.kind == "freeze" else path.half_angle_deg
    turn = path.turn_deg
    if path.kind == "straight":
        # Seen from the middle of the way that it goes.
        turn = np.degrees(np.arccos(np.cos(np.radians([turn, half_angle])).prod()))
    return Drawn(
        unit_kernels(path, steps, rng),
        steps,
        every,
        known_T_star(path, every),
        expected_floor(path, every) or None,
        half_angle if sharp else None,
        float(turn) if sharp else None,
    )


def bumped(rng: np.random.Generator) -> Drawn:
    """Wanders, and is elsewhere for a twentieth of the run, late."""
    drawn = settling("wander")(rng)
    at = np.flatnonzero((drawn.steps > 0.7 * TOTAL) & (drawn.steps <= 0.75 * TOTAL))
    noise = rng.normal(size=(len(at), drawn.h.shape[1]))
    h = drawn.h.copy()
    h[at] += noise / np.linalg.norm(noise, axis=1, keepdims=True)
    h[at] /= np.linalg.norm(h[at], axis=1, keepdims=True)
    return Drawn(h, drawn.steps, drawn.every, drawn.T_star, drawn.floor)


def dropped(rng: np.random.Generator) -> Drawn:
    """Wanders, then turns again at a drop of the learning rate and wanders in another cone."""
    drawn = settling("wander")(rng)
    while drawn.T_star is None or drawn.T_star > TOTAL / 4:
        drawn = settling("wander")(rng)
    drop, turn, narrowed = TOTAL // 2, rng.uniform(15, 40), rng.uniform(0.3, 1)
    h = turned_again(drawn.h, drawn.steps, drop, turn, narrowed)
    known = drawn.half_angle_deg or 0.0
    after = np.degrees(np.arcsin(narrowed * np.sin(np.radians(known))))
    return Drawn(
        h,
        drawn.steps,
        drawn.every,
        drawn.T_star,
        drawn.floor,
        drawn.half_angle_deg,
        drawn.turn_deg,
        drop,
        float(after),
        turn,
    )


def late(rng: np.random.Generator) -> Drawn:
    """Turns steadily until long after the middle."""
    steps, every = _any_grid(rng)
    path = Path(
        "wander",
        settle=int(TOTAL * rng.uniform(0.6, 0.8)),
        half_angle_deg=0.4,
        memory=2.0 * every,
    )
    return Drawn(unit_kernels(path, steps, rng), steps, every)


def on_a_circle(angle_of: Callable[[FloatArray, float], FloatArray]) -> Draw:
    """Goes along a great circle; `angle_of` takes shares of the run and a random number."""

    def draw(rng: np.random.Generator) -> Drawn:
        steps, every = _any_grid(rng)
        angle = np.radians(rng.uniform(40, 80)) * angle_of(steps / TOTAL, rng.uniform(0, 1))
        return Drawn(along_a_circle(angle), steps, every)

    return draw


CASES = (
    Case("turns steadily, then wanders", settling("wander", "steady"), "two phases"),
    Case("turns ever slower, then wanders", settling("wander", "slowing"), "two phases"),
    Case("wanders, turn slower than wander", settling("wander", fast=False), "no Phase I"),
    Case("wanders, with a late bump", bumped, "two phases"),
    Case("diffuses", settling("diffuse"), "two phases"),
    Case("goes straight", settling("straight"), "two phases"),
    Case("freezes", settling("freeze"), "frozen"),
    Case("wanders, drop, another cone", dropped, "two phases"),
    Case("settles after the middle", late, "no Phase II"),
    Case(
        "ever slower, v ~ 1/t",
        on_a_circle(lambda share, x: np.log1p((20 + 80 * x) * share) / np.log1p(20 + 80 * x)),
        "no Phase II",
    ),
    Case("ever faster, v ~ t", on_a_circle(lambda share, _: share**2), "no Phase II"),
    Case("always at one speed", on_a_circle(lambda share, _: share), "no Phase I"),
)


@functools.cache
def measure(case: Case) -> tuple[float, dict[str, FloatArray]]:
    """Share of right outcomes, and errors by name, NaN where undefined."""
    found = [_errors(case.draw(np.random.default_rng(seed)), case) for seed in range(DRAWS)]
    names = found[0][1]
    errors = {name: np.array([errors[name] for _, errors in found]) for name in names}
    return float(np.mean([right for right, _ in found])), errors


def _errors(drawn: Drawn, case: Case) -> tuple[bool, dict[str, float]]:
    G, steps, every = drawn.h @ drawn.h.T, drawn.steps, drawn.every
    stretches = [(0, TOTAL)] if drawn.drop is None else [(0, drawn.drop), (drawn.drop, TOTAL)]
    end = stretches[0][1]
    phases = find_phases(G, steps, every, stretches[0])
    on_grid = uniform_part(steps, every)
    on_grid = on_grid[steps[on_grid] <= end]
    first = first_versions.settling_interval(lagged_distances(G[np.ix_(on_grid, on_grid)], 1))
    on_stretch = np.flatnonzero(steps <= end)
    first_change = first_versions.change_point(G[np.ix_(on_stretch, on_stretch)], steps[on_stretch])
    errors = {
        "T*": _in_intervals(phases.T_star, drawn),
        "T* first": _in_intervals(None if first is None else first * every, drawn),
        "change": _in_intervals(phases.change_point, drawn),
        "change first": _in_intervals(first_change, drawn),
        "floor": _relative(phases.floor, drawn.floor),
        **dict.fromkeys(("half", "turn", "N", "alpha", "alpha first"), np.nan),
        **dict.fromkeys(("half after", "turn after"), np.nan),
    }
    if phases.T_star is not None:
        errors.update(_cone_errors(drawn, G, phases.T_star, stretches))
    return phases.outcome == case.outcome, errors


def _cone_errors(
    drawn: Drawn, G: FloatArray, T_star: int, stretches: Sequence[tuple[int, int]]
) -> dict[str, float]:
    steps, every, end = drawn.steps, drawn.every, stretches[0][1]
    cone = measure_cone(G, steps, every, T_star, end)
    inside = np.flatnonzero((steps % every == 0) & (steps >= T_star) & (steps <= end))
    errors = {"alpha": np.nan if cone.alpha is None else cone.alpha}
    if cone.alpha is not None:
        errors["alpha first"] = first_versions.confinement_exponent(G[np.ix_(inside, inside)])
    if drawn.half_angle_deg is not None and drawn.turn_deg is not None:
        errors["half"] = _relative(cone.half_angle_deg, drawn.half_angle_deg)
        errors["turn"] = cone.turn_deg - drawn.turn_deg
        errors["N"] = cone.N - max(0.0, 1 - drawn.half_angle_deg / drawn.turn_deg)
    if drawn.turn_after_deg is not None:
        (after,) = measure_stretches(G, steps, every, stretches, T_star)
        errors["half after"] = _relative(after.half_angle_deg, drawn.half_angle_after_deg)
        errors["turn after"] = after.axis_turn_deg - drawn.turn_after_deg
    return errors


def _in_intervals(step: int | None, drawn: Drawn) -> float:
    known = step is not None and drawn.T_star is not None
    return (step - drawn.T_star) / drawn.every if known else np.nan


def _relative(value: float | None, known: float | None) -> float:
    return value / known - 1 if value is not None and known else np.nan


def spread(values: FloatArray, decimals: int, factor: float = 1.0) -> str:
    """Median [10 %, 90 %] of what is defined, or a dash."""
    known = factor * values[np.isfinite(values)]
    if len(known) == 0:
        return "–"
    low, middle, high = (round(x, decimals) + 0.0 for x in np.percentile(known, [10, 50, 90]))
    return f"{middle:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def phases_table() -> str:
    """T* and floor: errors of both estimators, and of their first versions."""
    head = (
        "trajectory",
        "outcome",
        "right, %",
        "T*",
        "T*, first version",
        "change-point",
        "change-point, first version",
        "floor, %",
    )
    rows = [_phase_cells(case, *measure(case)) for case in CASES]
    return _markdown(head, rows)


def _phase_cells(case: Case, right: float, errors: dict[str, FloatArray]) -> tuple[str, ...]:
    names = ("T*", "T* first", "change", "change first")
    return (
        case.name,
        case.outcome,
        f"{100 * right:.0f}",
        *(spread(errors[name], 1) for name in names),
        spread(errors["floor"], 0, 100),
    )


def cone_table() -> str:
    """Half-angle, turn, N and alpha."""
    head = ("trajectory", "half-angle, %", "turn, °", "N", "α", "α, first version")
    rows = []
    for case in CASES[:8]:
        _, errors = measure(case)
        cells = (
            spread(errors["half"], 0, 100),
            spread(errors["turn"], 1),
            spread(errors["N"], 2),
            spread(errors["alpha"], 2),
            spread(errors["alpha first"], 2),
        )
        rows.append((case.name, *cells))
        if np.isfinite(errors["half after"]).any():
            after = (spread(errors["half after"], 0, 100), spread(errors["turn after"], 1))
            rows.append(("after that drop", *after, "–", "–", "–"))
    return _markdown(head, rows)


def coverage_table() -> str:
    """How often 95 % intervals hold the truth, for a mean and for CES."""
    rows = []
    for seeds in (2, 3, 5):
        shares = (coverage(seeds, statistic, kind) for statistic in STATISTICS for kind in KINDS)
        rows.append((str(seeds), *(f"{100 * share:.0f}" for share in shares)))
    head = ("seeds", "mean", "mean, percentiles", "CES", "CES, percentiles")
    return _markdown(head, rows)


TRUTH = np.array([0.30, 0.45, 0.65, 0.5])
SPREAD = np.array([0.02, 0.03, 0.02, 0.05])
STATISTICS: tuple[Callable[[FloatArray], FloatArray], ...] = (
    lambda means: means[:, 3],
    lambda means: (
        100
        * np.sqrt(
            means[:, 3] * np.clip((means[:, 2] - means[:, 1]) / (means[:, 2] - means[:, 0]), 0, 1)
        )
    ),
)
KINDS = ("t", "percentiles")


@functools.cache
def coverage(seeds: int, statistic: Callable[[FloatArray], FloatArray], kind: str) -> float:
    """Share of intervals that hold the truth; columns A(lazy), A(switched), A(full), N."""
    rng = np.random.default_rng(seeds)
    truth = float(statistic(TRUTH[None])[0])
    inside = 0
    for _ in range(INTERVAL_DRAWS):
        table = TRUTH + SPREAD * rng.normal(size=(seeds, 4))
        low, high = INTERVALS[kind](table, statistic, rng)
        inside += low <= truth <= high
    return inside / INTERVAL_DRAWS


def _t_interval(
    table: FloatArray, statistic: Callable[[FloatArray], FloatArray], _: np.random.Generator
) -> tuple[float, float]:
    found = bootstrap(table, statistic)
    return found.low or 0.0, found.high or 0.0


def _percentiles(
    table: FloatArray, statistic: Callable[[FloatArray], FloatArray], rng: np.random.Generator
) -> tuple[float, float]:
    drawn = rng.integers(0, len(table), size=(1000, len(table)))
    low, high = np.percentile(statistic(table[drawn].mean(axis=1)), [2.5, 97.5])
    return float(low), float(high)


INTERVALS = {"t": _t_interval, "percentiles": _percentiles}


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    for table in (phases_table, cone_table, coverage_table):
        sys.stdout.write(f"{table()}\n")
