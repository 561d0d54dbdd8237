"""The cone as a picture: angles to its axis, and kernels in three dimensions."""

import numpy as np
from jaxtyping import Float, Int

from conebench.analysis.distance import ROUNDING, FloatArray, IntArray, angles_deg


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


def axis_picture(
    G: Float[FloatArray, "t t"], members: Int[IntArray, " u"]
) -> Float[FloatArray, "t 3"]:
    """Place the kernels around the members' axis.

    With theta_t the angle of h_t to the axis a, and phi_t its direction around it:

        (cos theta_t, sin theta_t cos phi_t, sin theta_t sin phi_t).

    Angles to the axis are exact. phi is read from the first two components of h_t - cos theta_t a:
    along that of h_0, and along the largest one of the rest.

    Args:
        G: Gram matrix of the unit kernels.
        members: Indices of the kernels whose mean is the axis.

    Returns:
        Coordinates [t, 3], the axis first.

    Example:
        >>> h = np.array([[0.6, 0.8], [1.0, 0.0], [1.0, 0.0]])
        >>> axis_picture(h @ h.T, np.array([1, 2]))[:, :2].round(6) + 0.0
        array([[0.6, 0.8],
               [1. , 0. ],
               [1. , 0. ]])

    """
    length = np.sqrt(G[np.ix_(members, members)].mean())
    along = np.clip(G[:, members].mean(axis=1) / length, -1.0, 1.0)  # [t]
    lateral = G - np.outer(along, along)  # [t, t], inner products of the parts across the axis
    first = lateral[0] / np.sqrt(max(lateral[0, 0], ROUNDING))  # [t]
    values, vectors = np.linalg.eigh(lateral - np.outer(first, first))
    second = vectors[:, -1] * np.sqrt(max(values[-1], 0.0))  # [t]
    # Its sign is arbitrary: the largest entry is made positive.
    second = second * np.sign(second[np.abs(second).argmax()] or 1.0)
    phi, across = np.arctan2(second, first), np.sqrt(np.maximum(1 - along**2, 0.0))
    return np.stack([along, across * np.cos(phi), across * np.sin(phi)], axis=1)


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
    # ||h_i - h_j||^2 = 2 (1 - G[i, j]). Rounding may bring G above 1.
    squared_chords = np.maximum(2 * (1 - G), 0)  # [t, t]
    # Centering both sides turns squared distances into inner products about the mean kernel.
    centring = np.eye(len(G)) - 1 / len(G)
    # Eigenvalues ascend, so the first three axes are the last three.
    values, vectors = np.linalg.eigh(-0.5 * centring @ squared_chords @ centring)
    # One or two kernels span fewer axes; the others stay 0.
    count = min(3, len(G))
    picture = np.zeros((len(G), 3))
    picture[:, :count] = vectors[:, ::-1][:, :count] * np.sqrt(np.maximum(values[::-1][:count], 0))
    # Signs are arbitrary: the largest entry of each axis is made positive.
    largest = picture[np.abs(picture).argmax(axis=0), np.arange(3)]
    picture *= np.where(largest < 0, -1.0, 1.0)
    drawn = np.linalg.norm(picture[:, None] - picture[None], axis=2)  # [t, t]
    # Kernels that are all the same have no chords, and so no stress.
    total = squared_chords.sum()
    stress = np.sqrt(((drawn - np.sqrt(squared_chords)) ** 2).sum() / total) if total > 0 else 0.0
    return picture, float(stress)
