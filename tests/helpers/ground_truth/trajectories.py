"""Kernel trajectories whose phases and cone are known: unit vectors that turn, then move about."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from conebench.analysis.distance import FloatArray, IntArray

Kind = Literal["wander", "diffuse", "straight", "freeze"]
Turn = Literal["steady", "slowing"]

TOTAL = 2000
TURN_REST = 1e-3
MEASUREMENT_NOISE = 1e-7


@dataclass(frozen=True)
class Path:
    """A turn onto an axis, and what the kernel does about the axis afterwards.

    `turn_deg` is the angle to the axis at step 0. It shrinks to 0 steadily until the step
    `settle`, or exponentially so that a thousandth is left then. About the axis the kernel
    wanders at the angle `half_angle_deg` with the correlation time `memory` (an Ornstein-Uhlenbeck
    process, brought to that angle), diffuses or goes straight as far as twice that angle, or
    stands still, in `dimension` dimensions. It grows into that motion as the turn is made.
    """

    kind: Kind
    turn: Turn = "steady"
    turn_deg: float = 60.0
    settle: int = 300
    half_angle_deg: float = 8.0
    memory: float = 50.0
    dimension: int = 100

    def angle(self, steps: IntArray) -> FloatArray:
        """What is left of the turn, in radians."""
        turned = steps / self.settle
        left = np.maximum(0, 1 - turned) if self.turn == "steady" else TURN_REST**turned
        return np.radians(self.turn_deg) * left


def grid(intervals: int, *, early: bool) -> tuple[IntArray, int]:
    """Steps of a uniform grid over the run, with log-spaced early ones if asked; and `every`."""
    every = TOTAL // intervals
    extra = 2 ** np.arange(int(np.log2(every)) + 1) if early else np.array([], dtype=np.int64)
    return np.unique(np.concatenate([np.arange(0, TOTAL + 1, every), extra])), every


def unit_kernels(path: Path, steps: IntArray, rng: np.random.Generator) -> FloatArray:
    """Unit vectors h_t at the steps, with the rounding of float32 kernels; axis first."""
    angle = path.angle(steps)
    off_axis = _off_axis(path, steps, rng) * (1 - angle / angle[0])[:, None]
    return _on_sphere(angle, off_axis, rng)


def turned_again(
    h: FloatArray, steps: IntArray, drop: int, turn_deg: float, narrowed: float
) -> FloatArray:
    """The same vectors, turned by another angle in a tenth of the run after the step `drop`.

    Their motion about the axis is scaled by `narrowed` from there on.
    """
    turn = np.radians(turn_deg) * np.clip((steps - drop) / (TOTAL / 10), 0, 1)
    sideways = h[:, 2:] * np.where(steps > drop, narrowed, 1.0)[:, None]
    ahead = np.sqrt(1 - (sideways**2).sum(axis=1) - h[:, 1] ** 2)
    turned = np.stack([ahead * np.cos(turn), h[:, 1], ahead * np.sin(turn)], axis=1)
    return np.concatenate([turned, sideways], axis=1)


def along_a_circle(angle: FloatArray) -> FloatArray:
    """Unit vectors at these angles on a great circle."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _on_sphere(angle: FloatArray, off_axis: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The axis, the direction it was turned from, then the motion about it, as unit vectors."""
    length = np.linalg.norm(off_axis, axis=1, keepdims=True)
    sideways = np.sin(length) * off_axis / np.where(length > 0, length, 1)
    ahead = np.cos(length) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    h = np.concatenate([ahead, sideways], axis=1)
    h += MEASUREMENT_NOISE * rng.normal(size=h.shape) / np.sqrt(h.shape[1])
    return h / np.linalg.norm(h, axis=1, keepdims=True)


def _off_axis(path: Path, steps: IntArray, rng: np.random.Generator) -> FloatArray:
    motions: dict[Kind, Callable[[Path, IntArray, np.random.Generator], FloatArray]] = {
        "wander": _wandering,
        "diffuse": _diffusing,
        "straight": _going_straight,
        "freeze": lambda path, steps, _: np.zeros((len(steps), path.dimension)),
    }
    return motions[path.kind](path, steps, rng)


def _wandering(path: Path, steps: IntArray, rng: np.random.Generator) -> FloatArray:
    z = rng.normal(size=(len(steps), path.dimension))
    for i, gap in enumerate(np.diff(steps)):
        kept = np.exp(-gap / path.memory)
        z[i + 1] = kept * z[i] + np.sqrt(1 - kept**2) * z[i + 1]
    return np.radians(path.half_angle_deg) * z / np.linalg.norm(z, axis=1, keepdims=True)


def _diffusing(path: Path, steps: IntArray, rng: np.random.Generator) -> FloatArray:
    gaps = np.concatenate([[0], np.diff(steps)]) / steps[-1]
    z = rng.normal(size=(len(steps), path.dimension)) * np.sqrt(gaps / path.dimension)[:, None]
    return 2 * np.radians(path.half_angle_deg) * np.cumsum(z, axis=0)


def _going_straight(path: Path, steps: IntArray, rng: np.random.Generator) -> FloatArray:
    direction = rng.normal(size=path.dimension)
    direction /= np.linalg.norm(direction)
    gone = np.maximum(0, steps - path.settle) / (steps[-1] - path.settle)
    return 2 * np.radians(path.half_angle_deg) * gone[:, None] * direction


def expected_floor(path: Path, every: int) -> float:
    """S over one interval of Phase II that the motion about the axis makes, on average."""
    reach = np.sin(np.radians(path.half_angle_deg)) ** 2
    if path.kind == "wander":
        return float(reach * (1 - np.exp(-every / path.memory)))
    if path.kind == "diffuse":
        return float(0.5 * (2 * np.radians(path.half_angle_deg)) ** 2 * every / TOTAL)
    if path.kind == "straight":
        return float(
            1 - np.cos(2 * np.radians(path.half_angle_deg) * every / (TOTAL - path.settle))
        )
    return 0.0


def turning_distance(path: Path, start: IntArray, every: int) -> FloatArray:
    """S over the interval from `start` that the turn alone makes."""
    return 1 - np.cos(path.angle(start) - path.angle(start + every))


def known_T_star(path: Path, every: int) -> int:
    """The step at which the turn is made, or slower than the motion about the axis."""
    if path.turn == "steady":
        return path.settle
    starts = np.arange(TOTAL)
    slow = turning_distance(path, starts, every) <= max(expected_floor(path, every), 1e-10)
    return int(starts[slow][0])


def contrast(path: Path, every: int) -> float:
    """S over an interval of the turn, at half its time, as a multiple of the floor."""
    start = np.array([max(0, known_T_star(path, every) // 2 - every // 2)])
    return float(turning_distance(path, start, every)[0] / max(expected_floor(path, every), 1e-10))
