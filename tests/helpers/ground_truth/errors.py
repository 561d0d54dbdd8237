"""Errors of the estimators over many random trajectories whose answer is known."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
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

from conebench.analysis.distance import FloatArray, IntArray, lagged_distances, uniform_part
from conebench.analysis.phases import PhaseOutcome, find_phases
from conebench.analysis.stretches import measure_stretches

DRAWS = 100
TURNS: tuple[Turn, ...] = ("steady", "slowing")
FAST, SIMILAR, SLOW = (4.0, np.inf), (1.0, 4.0), (0.0, 1.0)
USUAL, SHORT = (20, 40, 100), (8, 12, 16)


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


def _any_grid(rng: np.random.Generator, intervals: Sequence[int] = USUAL) -> tuple[IntArray, int]:
    return grid(int(rng.choice(intervals)), early=bool(rng.integers(2)))


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


def settling(
    kind: Kind,
    turn: Turn | None = None,
    *,
    ratio: tuple[float, float] = FAST,
    intervals: Sequence[int] = USUAL,
) -> Draw:
    """Turns before the middle; S of the turn in this ratio to S of the motion about the axis."""

    def draw(rng: np.random.Generator) -> Drawn:
        while True:
            steps, every = _any_grid(rng, intervals)
            path = _any_path(kind, turn or rng.choice(TURNS), every, rng)
            fits = ratio[0] <= contrast(path, every) < ratio[1]
            if fits and known_T_star(path, every) < TOTAL / 2:
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
    Case("wanders, on 8 to 16 intervals", settling("wander", intervals=SHORT), "two phases"),
    Case("wanders, turn up to 4 times S", settling("wander", ratio=SIMILAR), "two phases"),
    Case("wanders, turn slower than wander", settling("wander", ratio=SLOW), "no Phase I"),
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
        **dict.fromkeys(("half after", "turn after"), np.nan),
    }
    if phases.T_star is not None and drawn.turn_after_deg is not None:
        (after,) = measure_stretches(G, steps, every, stretches, phases.T_star)
        errors["half after"] = _relative(after.half_angle_deg, drawn.half_angle_after_deg)
        errors["turn after"] = after.axis_turn_deg - drawn.turn_after_deg
    return phases.outcome == case.outcome, errors


def _in_intervals(step: int | None, drawn: Drawn) -> float:
    known = step is not None and drawn.T_star is not None
    return (step - drawn.T_star) / drawn.every if known else np.nan


def _relative(value: float | None, known: float | None) -> float:
    return value / known - 1 if value is not None and known else np.nan
