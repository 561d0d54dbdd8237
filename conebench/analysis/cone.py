"""Geometry of Phase II (docs/method.md, Cone)."""

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
    """Measure the cone of Phase II.

    Of the unit kernels h_t, T* <= t <= end: axis a = mean of h_t, normalized; half-angle = max_t
    arccos <h_t, a>; turn = arccos <h_0, a>; N = clip(1 - half-angle / turn, 0, 1); path = sum of
    the angles between neighbors.

    Args:
        G: Gram matrix of the unit kernels.
        steps: step of each checkpoint.
        every: distance of the uniform grid, whose checkpoints count.
        T_star: first step of Phase II.
        end: last step.

    Returns:
        The cone, angles in degrees.

    Example:
        Kernels in a plane, 60 degrees away at first and then 2 degrees to either side.

        >>> angle = np.radians([0, 58, 62, 58, 62])
        >>> h = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        >>> cone = measure_cone(h @ h.T, np.arange(5) * 10, every=10, T_star=10, end=40)
        >>> round(cone.turn_deg, 3), round(cone.half_angle_deg, 3), round(cone.N, 3)
        (60.0, 2.0, 0.967)

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
    """Compute each unit kernel's angle to the members' axis.

    Example:
        >>> to_axis_deg(np.eye(2), np.array([0, 1])).round(6)
        array([45., 45.])

    """
    # With m the mean of the members: <h_t, a> = <h_t, m> / ||m||, and ||m||^2 is the mean of G.
    length = np.sqrt(G[np.ix_(members, members)].mean())
    return angles_deg(G[:, members].mean(axis=1) / length)


def confinement_exponent(inside: Float[FloatArray, "t t"]) -> float | None:
    """Fit alpha in mean S(t, t + lag) ~ lag^alpha.

    The exponent of a mean squared displacement, by least squares in log-log over long lags:
    0 = bounded, 1 = diffusion, 2 = a straight line. None with fewer than 4 checkpoints or a kernel
    at rest.

    Example:
        >>> angle = 1e-3 * np.arange(20)
        >>> h = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        >>> round(confinement_exponent(h @ h.T), 3)
        2.0

    """
    t = len(inside)
    if t < MIN_CHECKPOINTS:
        return None
    # A kernel that fluctuates in a cone diffuses at lags below its correlation time, so the short
    # ones are left out.
    lags = np.arange(max(1, t // SHORTEST_LAG), t // LONGEST_LAG + 1)
    spread = np.array([lagged_distances(inside, int(lag)).mean() for lag in lags])
    if np.any(spread <= ROUNDING):
        return None
    return float(np.polyfit(np.log(lags), np.log(spread), 1)[0])


def cone_picture(
    G: Float[FloatArray, "t t"],
) -> tuple[Float[FloatArray, "t 3"], float]:
    """Place the kernels in three dimensions.

    By classical multidimensional scaling of the chords ||h_i - h_j||.

    Args:
        G: Gram matrix of the unit kernels.

    Returns:
        Coordinates [t, 3], and the stress sqrt(sum (d_ij - delta_ij)^2 / sum delta_ij^2) with
        delta the chords and d the distances of the coordinates.

    Example:
        >>> points, stress = cone_picture(np.eye(3))
        >>> float(np.linalg.norm(points[0] - points[1]).round(6)), round(stress, 6)
        (1.414214, 0.0)

    """
    squared_chords = np.maximum(2 * (1 - G), 0)  # [t, t]
    centring = np.eye(len(G)) - 1 / len(G)
    # Eigenvalues ascend, so the first three axes are the last three.
    values, vectors = np.linalg.eigh(-0.5 * centring @ squared_chords @ centring)
    count = min(3, len(G))
    picture = np.zeros((len(G), 3))
    picture[:, :count] = vectors[:, ::-1][:, :count] * np.sqrt(np.maximum(values[::-1][:count], 0))
    # Signs are arbitrary: the largest entry of each axis is made positive.
    largest = picture[np.abs(picture).argmax(axis=0), np.arange(3)]
    picture *= np.where(largest < 0, -1.0, 1.0)
    drawn = np.linalg.norm(picture[:, None] - picture[None], axis=2)  # [t, t]
    total = squared_chords.sum()
    stress = np.sqrt(((drawn - np.sqrt(squared_chords)) ** 2).sum() / total) if total > 0 else 0.0
    return picture, float(stress)
