"""Kernel distance S, angle and velocity, from a Gram matrix.

G[i, j] = 1 - S(theta_i, theta_j) = <H_i, H_j>_F / (||H_i||_F ||H_j||_F), shape [t, t].
"""

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from jaxtyping import Float, Int

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]
else:
    # numpy 2.5 makes NDArray a `type` alias, which jaxtyping refuses as an array type. jaxtyping
    # itself checks the kind of number: Float, Int.
    FloatArray = IntArray = np.ndarray

# Float32 kernels have relative errors up to 1e-5, so S between equal ones is up to 1e-10.
ROUNDING = 1e-10

AnglesT = TypeVar("AnglesT", FloatArray, np.float64)


def distances(G: Float[FloatArray, "t t"]) -> Float[FloatArray, "t t"]:
    """Compute the kernel distances S = 1 - G.

    Args:
        G: Gram matrix of the unit kernels.

    Returns:
        S, in [0, 1] for positive semi-definite kernels.

    Example:
        >>> distances(np.array([[1.0, 0.75], [0.75, 1.0]]))
        array([[0.  , 0.25],
               [0.25, 0.  ]])

    Source: C1, kernel distance.

    """
    return 1.0 - G


def angles_deg(G: AnglesT) -> AnglesT:
    """Compute the angles arccos(G) = arccos(1 - S).

    Args:
        G: cosines, clipped to [-1, 1].

    Returns:
        Angles in degrees.

    Example:
        >>> angles_deg(np.array([1.0, 0.5, 0.0])).round(6)
        array([ 0., 60., 90.])

    """
    # Rounding brings cosines of equal kernels above 1, where arccos is NaN.
    angles: AnglesT = np.degrees(np.arccos(np.clip(G, -1.0, 1.0)))
    return angles


def lagged_distances(G: Float[FloatArray, "t t"], lag: int) -> Float[FloatArray, " u"]:
    """Return S(theta_i, theta_{i + lag}), u = t - lag values."""
    return 1.0 - np.diagonal(G, offset=lag)


def velocity(G: Float[FloatArray, "t t"], steps: Int[IntArray, " t"]) -> Float[FloatArray, " u"]:
    """Compute the velocity of the kernel between neighboring checkpoints.

    v(t) = S(theta_t, theta_{t+dt}) / dt

    Args:
        G: Gram matrix of the unit kernels.
        steps: step of each checkpoint.

    Returns:
        v per step, u = t - 1 values.

    Example:
        >>> velocity(np.array([[1.0, 0.75], [0.75, 1.0]]), np.array([0, 50]))
        array([0.005])

    Source: C2, Fig. 5.

    """
    return lagged_distances(G, 1) / np.diff(steps)


def velocity_per_rate(
    G: Float[FloatArray, "t t"],
    steps: Int[IntArray, " t"],
    rates: Float[FloatArray, " T"],
) -> Float[FloatArray, " u"]:
    """Compute the velocity per unit of learning rate.

    S(theta_t, theta_{t+dt}) / sum of the learning rates of the steps between, u = t - 1 values;
    rates[k] is that of the update from step k to k + 1.

    Example:
        >>> G = np.array([[1.0, 0.75], [0.75, 1.0]])
        >>> velocity_per_rate(G, np.array([0, 2]), np.array([0.3, 0.2]))
        array([0.5])

    """
    # Sum of the rates before each step.
    summed = np.concatenate([[0.0], np.cumsum(rates)])  # [T + 1]
    return lagged_distances(G, 1) / np.diff(summed[steps])


def uniform_part(steps: Int[IntArray, " t"], every: int) -> Int[IntArray, " u"]:
    """Return the indices of checkpoints at multiples of `every`."""
    return np.flatnonzero(steps % every == 0)


def between(steps: Int[IntArray, " t"], every: int, first: int, last: int) -> Int[IntArray, " u"]:
    """Return the indices of uniform checkpoints between two steps.

    Example:
        >>> between(np.array([0, 10, 50, 100, 150]), every=50, first=50, last=100)
        array([2, 3])

    """
    uniform = uniform_part(steps, every)
    return uniform[(steps[uniform] >= first) & (steps[uniform] <= last)]


def effective_rank(
    trace: Float[FloatArray, " t"], norm: Float[FloatArray, " t"]
) -> Float[FloatArray, " t"]:
    """Compute the effective rank (tr H)^2 / ||H||_F^2.

    Example:
        The identity [3, 3] and a matrix of rank 1.

        >>> effective_rank(np.array([3.0, 1.0]), np.array([3**0.5, 1.0])).round(6)
        array([3., 1.])

    """
    return (trace / norm) ** 2
