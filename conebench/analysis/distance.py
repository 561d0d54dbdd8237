"""Kernel distance S, angle and velocity, from the trajectory's Gram matrix G.

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

# Float32 kernels are off by up to 1e-5, relative, so S between equal ones by up to 1e-10.
ROUNDING = 1e-10

AnglesT = TypeVar("AnglesT", FloatArray, np.float64)


def distances(G: Float[FloatArray, "t t"]) -> Float[FloatArray, "t t"]:
    """S = 1 - G, in [0, 1] for positive semi-definite kernels (C1, kernel distance)."""
    return 1.0 - G


def angles_deg(G: AnglesT) -> AnglesT:
    """Phi = arccos(G) = arccos(1 - S), in degrees."""
    angles: AnglesT = np.degrees(np.arccos(np.clip(G, -1.0, 1.0)))
    return angles


def lagged_distances(G: Float[FloatArray, "t t"], lag: int) -> Float[FloatArray, " u"]:
    """S between checkpoints `lag` apart: S(theta_i, theta_{i + lag}), u = t - lag values."""
    return 1.0 - np.diagonal(G, offset=lag)


def velocity(G: Float[FloatArray, "t t"], steps: Int[IntArray, " t"]) -> Float[FloatArray, " u"]:
    """v(t) = S(theta_t, theta_{t+dt}) / dt between neighbors, per step, u = t - 1 (C2, Fig. 5)."""
    return lagged_distances(G, 1) / np.diff(steps)


def velocity_per_rate(
    G: Float[FloatArray, "t t"],
    steps: Int[IntArray, " t"],
    rates: Float[FloatArray, " T"],
) -> Float[FloatArray, " u"]:
    """S(theta_t, theta_{t+dt}) / sum of the learning rates of the steps between, u = t - 1.

    `rates[k]` is that of the update from step k to k + 1. Velocity follows the learning rate; this
    is what is left.
    """
    summed = np.concatenate([[0.0], np.cumsum(rates)])
    return lagged_distances(G, 1) / np.diff(summed[steps])


def uniform_part(steps: Int[IntArray, " t"], every: int) -> Int[IntArray, " u"]:
    """Indices of the checkpoints on the uniform part of the grid: multiples of `every` steps."""
    return np.flatnonzero(steps % every == 0)


def between(steps: Int[IntArray, " t"], every: int, first: int, last: int) -> Int[IntArray, " u"]:
    """Indices of the uniform checkpoints from step `first` to step `last`, both included."""
    uniform = uniform_part(steps, every)
    return uniform[(steps[uniform] >= first) & (steps[uniform] <= last)]


def effective_rank(
    trace: Float[FloatArray, " t"], norm: Float[FloatArray, " t"]
) -> Float[FloatArray, " t"]:
    """(tr H)^2 / ||H||_F^2, between 1 and the size of H."""
    return (trace / norm) ** 2


def says(meaning: str) -> dict[str, str]:
    """Metadata of a dataclass field: pydantic takes the description into its schema."""
    return {"description": meaning}
