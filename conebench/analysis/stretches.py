"""Cones after drops of the learning rate."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from conebench.analysis.cone import to_axis_deg
from conebench.analysis.distance import (
    FloatArray,
    IntArray,
    angles_deg,
    between,
    lagged_distances,
)
from conebench.analysis.meaning import says
from conebench.analysis.phases import find_phases, floor_of


@dataclass(frozen=True)
class Stretch:
    """Stretch of constant learning rate after a drop.

    `settled` is the stretch's own T*, the step from which the kernel has settled again: None if it
    does not, or if the stretch has fewer than 8 intervals of the grid. Floor, half-angle and axis
    are those of the uniform checkpoints from there on, or of all after `start`. `axis_turn_deg` is
    the angle between this axis and that of Phase II before the first drop, None without a Phase II
    there.
    """

    start: int = field(metadata=says("First step."))
    end: int = field(metadata=says("Last step."))
    settled: int | None = field(metadata=says("Step from which it has settled again, else null."))
    floor: float = field(metadata=says("As that of Phase II, from there on."))
    half_angle_deg: float = field(metadata=says("As that of Phase II, from there on."))
    axis_turn_deg: float | None = field(
        metadata=says("Angle from the axis of Phase II, if there is one.")
    )


def measure_stretches(
    G: Float[FloatArray, "t t"],
    steps: Int[IntArray, " t"],
    every: int,
    stretches: Sequence[tuple[int, int]],
    T_star: int | None,
) -> list[Stretch]:
    """Measure stretches of constant learning rate after the first.

    Args:
        G: Gram matrix of the unit kernels.
        steps: step of each checkpoint.
        every: distance of the uniform grid.
        stretches: first and last step of each, in order.
        T_star: first step of Phase II in the first of them, None without one.

    Returns:
        Those that hold at least two uniform checkpoints after their first step.

    Example:
        >>> steps = np.arange(0, 50, 10)
        >>> (found,) = measure_stretches(np.eye(5), steps, 10, [(0, 20), (20, 40)], T_star=0)
        >>> found.start, found.end, found.settled, round(found.axis_turn_deg, 3)
        (20, 40, None, 90.0)

    """
    phase2 = None if T_star is None else between(steps, every, T_star, stretches[0][1])
    found = []
    for start, end in stretches[1:]:
        settled = find_phases(G, steps, every, (start, end)).T_star
        # The kernel at `start` itself is still that of the larger learning rate.
        inside = between(steps, every, start + 1 if settled is None else settled, end)
        if len(inside) > 1:
            found.append(_stretch(G, phase2, inside, (start, end), settled))
    return found


def _stretch(
    G: FloatArray,
    phase2: IntArray | None,
    inside: IntArray,
    ends: tuple[int, int],
    settled: int | None,
) -> Stretch:
    own = G[np.ix_(inside, inside)]  # [u, u]
    return Stretch(
        start=ends[0],
        end=ends[1],
        settled=settled,
        floor=floor_of(lagged_distances(own, 1)),
        half_angle_deg=float(to_axis_deg(G, inside)[inside].max()),
        axis_turn_deg=None if phase2 is None else _between_axes_deg(G, phase2, inside),
    )


def _between_axes_deg(G: FloatArray, one: IntArray, other: IntArray) -> float:
    """Return the angle between the axes of two sets."""
    # For each set the squared length of its mean kernel is a mean of entries of G.
    lengths = np.sqrt(G[np.ix_(one, one)].mean() * G[np.ix_(other, other)].mean())
    return float(angles_deg(G[np.ix_(one, other)].mean() / lengths))
