"""Geometry of Phase II, all from the Gram matrix G (docs/method.md, Cone)."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from conebench.analysis.distance import (
    ROUNDING,
    FloatArray,
    IntArray,
    angles_deg,
    between,
    lagged_distances,
    says,
)

MIN_CHECKPOINTS = 4
# Lags of the confinement exponent, as parts of Phase II.
SHORTEST_LAG, LONGEST_LAG = 8, 2


@dataclass(frozen=True)
class Cone:
    """The cone of one seed's trajectory; angles in degrees.

    The axis is the mean of the unit kernels of Phase II, normalized.
    """

    half_angle_deg: float = field(metadata=says("Largest angle of Phase II's kernels to the axis."))
    half_angle_95_deg: float = field(metadata=says("95th percentile of these angles."))
    turn_deg: float = field(metadata=says("Angle of the first kernel to the axis."))
    N: float = field(metadata=says("Narrowness, clip(1 - half-angle / turn, 0, 1)."))
    alpha: float | None = field(metadata=says("Confinement exponent; null: too short, or at rest."))
    path_deg: float = field(metadata=says("Sum of the angles between neighbors in Phase II."))
    end_to_end_deg: float = field(
        metadata=says("Angle between the first and the last kernel of Phase II.")
    )


def measure_cone(
    G: Float[FloatArray, "t t"], steps: Int[IntArray, " t"], every: int, T_star: int, end: int
) -> Cone:
    """Geometry of the unit kernels h_t at the uniform checkpoints T* <= t <= end.

    Axis a = mean of h_t, normalized; half-angle = max_t arccos <h_t, a> and its 95th percentile;
    turn = arccos <h_0, a>; path = sum of the angles between neighbors, against the angle between
    its ends.
    """
    phase2 = between(steps, every, T_star, end)
    inside = G[np.ix_(phase2, phase2)]
    to_axis = to_axis_deg(G, phase2)
    turn, half_angle = float(to_axis[0]), float(to_axis[phase2].max())
    return Cone(
        half_angle_deg=half_angle,
        half_angle_95_deg=float(np.percentile(to_axis[phase2], 95)),
        turn_deg=turn,
        N=float(np.clip(1 - half_angle / turn, 0, 1)) if turn > 0 else 0.0,
        alpha=confinement_exponent(inside),
        path_deg=float(angles_deg(np.diagonal(inside, offset=1)).sum()),
        end_to_end_deg=float(angles_deg(inside[0, -1])),
    )


def to_axis_deg(
    G: Float[FloatArray, "t t"], members: Int[IntArray, " u"]
) -> Float[FloatArray, " t"]:
    """Angle of every unit kernel to the axis of some, the mean of these, normalized; in degrees."""
    length = np.sqrt(G[np.ix_(members, members)].mean())
    return angles_deg(G[:, members].mean(axis=1) / length)


def confinement_exponent(inside: Float[FloatArray, "t t"]) -> float | None:
    """Alpha of mean S(t, t + lag) ~ lag^alpha, least squares in log-log over long lags.

    0 = bounded at every lag, 1 = diffusion, 2 = a straight line: the exponent of a mean squared
    displacement. The lags are t / 8 to t / 2: a kernel that wanders in a cone diffuses at shorter
    ones, below its correlation time. None with fewer than 4 checkpoints or a kernel that stands
    still.
    """
    t = len(inside)
    if t < MIN_CHECKPOINTS:
        return None
    lags = np.arange(max(1, t // SHORTEST_LAG), t // LONGEST_LAG + 1)
    spread = np.array([lagged_distances(inside, int(lag)).mean() for lag in lags])
    if np.any(spread <= ROUNDING):
        return None
    return float(np.polyfit(np.log(lags), np.log(spread), 1)[0])


def cone_picture(
    G: Float[FloatArray, "t t"],
) -> tuple[Float[FloatArray, "t 3"], float]:
    """Classical multidimensional scaling of the chords ||h_i - h_j|| to three dimensions.

    Returns coordinates (signs fixed: the largest entry of each axis is positive) and the stress
    sqrt(sum (d_ij - delta_ij)^2 / sum delta_ij^2), delta the chord and d its picture.
    """
    squared_chords = np.maximum(2 * (1 - G), 0)
    centring = np.eye(len(G)) - 1 / len(G)
    values, vectors = np.linalg.eigh(-0.5 * centring @ squared_chords @ centring)
    count = min(3, len(G))
    picture = np.zeros((len(G), 3))
    picture[:, :count] = vectors[:, ::-1][:, :count] * np.sqrt(np.maximum(values[::-1][:count], 0))
    largest = picture[np.abs(picture).argmax(axis=0), np.arange(3)]
    picture *= np.where(largest < 0, -1.0, 1.0)
    drawn = np.linalg.norm(picture[:, None] - picture[None], axis=2)
    total = squared_chords.sum()
    stress = np.sqrt(((drawn - np.sqrt(squared_chords)) ** 2).sum() / total) if total > 0 else 0.0
    return picture, float(stress)
