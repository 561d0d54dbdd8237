"""Trajectories of unit kernels whose late window is known. Every draw is kept."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ground_truth.trajectories import TOTAL, grid

from conebench.analysis.distance import FloatArray, IntArray

# Float32 kernels are off by up to 1e-5, relative.
ROUNDING = 1e-5
SHARE = 0.3


@dataclass(frozen=True)
class Known:
    """One trajectory and its true values.

    A walk or a drift has no cone angle of its own, and a frozen kernel no alpha: None.
    """

    h: FloatArray
    steps: IntArray
    every: int
    turn_deg: float
    cone_deg: float | None
    alpha: float | None

    @property
    def CES(self) -> float | None:
        """100 N (1 - alpha), clipped."""
        if self.alpha is None:
            return None
        if self.alpha >= 1 or self.cone_deg is None:
            return 0.0
        return 100 * max(0.0, 1 - self.cone_deg / self.turn_deg) * (1 - self.alpha)


Draw = Callable[[np.random.Generator], Known]
Motion = Callable[[IntArray, int, np.random.Generator], FloatArray]


@dataclass(frozen=True)
class Case:
    """A kind of trajectory."""

    name: str
    draw: Draw


def turning(
    motion: Motion,
    *,
    cone_deg: float | None = None,
    alpha: float | None = None,
    settles: tuple[float, float] = (0.05, 0.25),
    turns: tuple[float, float] = (30.0, 80.0),
    intervals: tuple[int, ...] = (30, 50, 100),
) -> Draw:
    """Return a draw that turns away from its first kernel while it moves.

    The turn shrinks steadily to 0 at a share of the run in `settles`. The motion goes on all along.
    """

    def draw(rng: np.random.Generator) -> Known:
        steps, every = grid(int(rng.choice(intervals)), early=bool(rng.integers(2)))
        turn, settle = rng.uniform(*turns), TOTAL * rng.uniform(*settles)
        angle = np.radians(turn) * np.maximum(0, 1 - steps / settle)  # [t]
        u = motion(steps, every, rng)  # [t, d]
        h = np.concatenate([np.cos(angle)[:, None] * u, np.sin(angle)[:, None]], axis=1)
        axis = _window_mean(u, steps) if cone_deg is None else np.eye(u.shape[1])[0]
        turn = np.degrees(np.arccos(np.cos(np.radians(turn)) * (u[0] @ axis)))
        noise = ROUNDING * rng.normal(size=h.shape) / np.sqrt(h.shape[1])
        return Known(_unit(h + noise), steps, every, float(turn), cone_deg, alpha)

    return draw


def mean_reverting(cone_deg: float, memory: float, dimension: int = 30) -> Motion:
    """Return a motion at a fixed angle about an axis; `memory` is a share of the run."""

    def move(steps: IntArray, every: int, rng: np.random.Generator) -> FloatArray:
        del every
        z = rng.normal(size=(len(steps), dimension))
        for i, gap in enumerate(np.diff(steps)):
            kept = np.exp(-gap / (memory * TOTAL))
            z[i + 1] = kept * z[i] + np.sqrt(1 - kept**2) * z[i + 1]
        z /= np.linalg.norm(z, axis=1, keepdims=True)
        angle = np.full((len(steps), 1), np.radians(cone_deg))
        return np.concatenate([np.cos(angle), np.sin(angle) * z], axis=1)

    return move


def memoryless(reach_deg: float, slowing: float = 0.0, dimension: int = 30) -> Motion:
    """Return a random walk on the sphere that gets as far as `reach_deg` in a window of SHARE.

    Its squared steps fall as t^-slowing from the window on.
    """

    def move(steps: IntArray, every: int, rng: np.random.Generator) -> FloatArray:
        del every
        time = np.maximum(steps / TOTAL, SHARE)
        pace = np.gradient(steps / TOTAL) * time**-slowing
        pace *= np.radians(reach_deg) ** 2 / pace[steps >= SHARE * TOTAL].sum()
        u = np.zeros((len(steps), dimension + 1))
        u[0, 0] = 1
        for i in range(len(steps) - 1):
            z = rng.normal(size=dimension + 1)
            z -= (z @ u[i]) * u[i]
            u[i + 1] = u[i] + np.sqrt(pace[i] / dimension) * z
            u[i + 1] /= np.linalg.norm(u[i + 1])
        return u

    return move


def along(angle_deg: Callable[[FloatArray], FloatArray]) -> Motion:
    """Return a motion along a great circle; the angle is a function of the share of the run."""

    def move(steps: IntArray, every: int, rng: np.random.Generator) -> FloatArray:
        del every, rng
        angle = np.radians(angle_deg(steps / TOTAL))
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)

    return move


def bumped(motion: Motion) -> Motion:
    """Return the motion with a twentieth of the run spent 45 degrees away, late."""

    def move(steps: IntArray, every: int, rng: np.random.Generator) -> FloatArray:
        u = motion(steps, every, rng)
        at = (steps > 0.7 * TOTAL) & (steps <= 0.75 * TOTAL)
        away = rng.normal(size=u.shape[1])
        u[at] += away / np.linalg.norm(away)
        return _unit(u)

    return move


def _window_mean(u: FloatArray, steps: IntArray) -> FloatArray:
    mean = u[steps >= SHARE * TOTAL].mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def _unit(h: FloatArray) -> FloatArray:
    return np.asarray(h / np.linalg.norm(h, axis=1, keepdims=True))


SIZE = 6.0
FAST, SLOW = mean_reverting(SIZE, memory=0.005), mean_reverting(SIZE, memory=0.07)
CASES = (
    Case("mean-reverting, memory W/140", turning(FAST, cone_deg=SIZE, alpha=0.0)),
    Case("mean-reverting, memory W/10", turning(SLOW, cone_deg=SIZE, alpha=0.0)),
    Case(
        "mean-reverting, 25 degrees wide",
        turning(mean_reverting(25.0, 0.005), cone_deg=25.0, alpha=0.0),
    ),
    Case(
        "mean-reverting, 8 to 10 intervals in W",
        turning(FAST, cone_deg=SIZE, alpha=0.0, intervals=(12, 13, 14)),
    ),
    Case("memoryless walk", turning(memoryless(12.0), alpha=1.0)),
    Case("memoryless walk in 5 dimensions", turning(memoryless(12.0, dimension=5), alpha=1.0)),
    Case("memoryless walk, 60 degrees far", turning(memoryless(60.0), alpha=1.0)),
    Case("memoryless walk, steps as t^-3/2", turning(memoryless(12.0, slowing=3.0), alpha=1.0)),
    Case(
        "memoryless walk, 8 to 10 intervals in W",
        turning(memoryless(12.0), alpha=1.0, intervals=(12, 13, 14)),
    ),
    Case("straight drift", turning(along(lambda t: 20 * t), alpha=2.0)),
    Case("slows down, v ~ 1/t", turning(along(lambda t: 5 * np.log(t + 1e-3)), alpha=2.0)),
    Case(
        "slows down, v ~ exp(-10 t/T)", turning(along(lambda t: 200 * np.exp(-10 * t)), alpha=2.0)
    ),
    Case("freezes", turning(along(np.zeros_like))),
    Case("late bump, memory W/10", turning(bumped(SLOW), cone_deg=SIZE, alpha=0.0)),
    Case(
        "turn ends late in W, memory W/140",
        turning(FAST, cone_deg=SIZE, alpha=0.0, settles=(0.4, 0.6)),
    ),
    Case(
        "never turns, memory W/140",
        turning(FAST, cone_deg=SIZE, alpha=0.0, turns=(0.0, 0.0)),
    ),
)
