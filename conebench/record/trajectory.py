"""Kernels along training, as a record stores them."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from conebench.analysis.distance import FloatArray, IntArray, uniform_part
from conebench.record.part import Count, Part, Step, Text

# Reductions of the kernel over classes.
ViewName = Literal["full", "trace", "sum"]
# Rounds S by up to 5e-11, which no figure needs (docs/method.md, Distance).
GRAM_DECIMALS = 10


class SelfCheck(Part):
    """Kernels compared with the network: K u against J (J^T u), from autograd."""

    steps: list[Step] = Field(description="Checkpoints with a checked kernel, in steps.")
    directions: Count = Field(description="Random vectors u per checkpoint.")
    relative_error: list[Annotated[float, Field(ge=0)]] = Field(
        description="Largest norm of K u - J (J^T u), relative to that of J (J^T u)."
    )


class GroupTrajectory(Part):
    """The trace kernel of one group of parameters along training (`kernel.by`).

    A kernel of zero has no angle, so `steps` are the checkpoints after the last zero kernel:
    usually all of them, none if it is zero at the end. Other lists have one entry per step.
    """

    name: Text = Field(description="Common part of the parameters' names, such as `layer1`.")
    parameters: Count = Field(description="Trainable parameters in the group.")
    steps: list[Step] = Field(description="Checkpoints, in steps.")
    gram: list[list[float]] = Field(description="Lower triangle of the group's G.")
    norm: list[Annotated[float, Field(gt=0)]] = Field(description="Frobenius norm of H.")
    trace: list[float] = Field(description="Trace of H.")

    def G(self) -> FloatArray:
        """Return the full symmetric Gram matrix, [t, t]."""
        return _symmetric(self.gram)


class Trajectory(Part):
    """One kernel H along training.

    The Gram matrix G, with G[i, j] = 1 - S between checkpoints i and j, is stored as its lower
    triangle: row i has i + 1 entries. Other lists have one entry per checkpoint.
    """

    steps: list[Step] = Field(description="Checkpoints, in steps.")
    gram: list[list[float]] = Field(
        description="Lower triangle of G, rounded to 10 decimals from schema 1.4 on."
    )
    gram_centred: list[list[float]] = Field(
        description="Lower triangle of G of the doubly centered kernels, rounded the same way."
    )
    norm: list[Annotated[float, Field(gt=0)]] = Field(description="Frobenius norm of H.")
    trace: list[float] = Field(description="Trace of H.")
    top_eigenvalue_share: list[float] = Field(description="Largest eigenvalue / trace.")
    label_alignment: list[float] = Field(
        description="Cosine between the centered kernel and the centered kernel of the labels."
    )

    def G(self, *, centred: bool = False) -> FloatArray:
        """Return the full symmetric Gram matrix, [t, t], of the plain or centered kernels."""
        return _symmetric(self.gram_centred if centred else self.gram)

    def uniform(self, every: int) -> tuple[IntArray, FloatArray]:
        """Return steps [u] and G [u, u] of the checkpoints at multiples of `every` steps."""
        steps = np.array(self.steps)
        chosen = uniform_part(steps, every)
        return steps[chosen], self.G()[np.ix_(chosen, chosen)]


class KernelView(Trajectory):
    """Another reduction of the same kernels, `trace` or `sum` of a `full` kernel."""

    name: Literal["trace", "sum"] = Field(description="Its reduction over classes.")


class AveragedTrajectory(Part):
    """The primary view at averages of the weights (`kernel.averaged`).

    Each is the running average of the weights over one interval of the uniform grid, the one that
    ends at its step. Lists have one entry per step.
    """

    steps: list[Step] = Field(description="Ends of the intervals, in steps.")
    gram: list[list[float]] = Field(description="Lower triangle of G, rounded to 10 decimals.")
    norm: list[Annotated[float, Field(gt=0)]] = Field(description="Frobenius norm of H.")

    def G(self) -> FloatArray:
        """Return the full symmetric Gram matrix, [t, t]."""
        return _symmetric(self.gram)


class KernelTrajectory(Trajectory):
    """The empirical NTK along training, by the reduction that the spec's `kernel.outputs` names."""

    self_check: SelfCheck | None = Field(default=None, description="Missing before schema 1.1.")
    groups: list[GroupTrajectory] | None = Field(
        default=None, description="In the network's order; missing without `kernel.by` in the spec."
    )
    views: list[KernelView] | None = Field(
        default=None,
        description="Of a `full` kernel: its `trace`, then its `sum`. Missing for other kernels, "
        "and before schema 1.4.",
    )
    averaged: AveragedTrajectory | None = Field(
        default=None, description="Missing without `kernel.averaged` in the spec."
    )

    later = frozenset({"self_check", "groups", "views", "averaged"})

    @property
    def primary(self) -> Trajectory:
        """The primary view: `trace` where it was measured, else the kernel itself."""
        return self.views[0] if self.views else self

    def by_view(self, outputs: ViewName) -> dict[ViewName, Trajectory]:
        """Return every view by name, the primary one first; `outputs` is the spec's."""
        named: dict[ViewName, Trajectory] = {view.name: view for view in self.views or ()}
        # A key keeps its first position: trace, then the kernel itself, then sum.
        return {**dict(list(named.items())[:1]), outputs: self, **named}


def lower_triangle(G: FloatArray) -> list[list[float]]:
    """Return the rows of G up to its diagonal, rounded as records store them.

    Example:
        >>> lower_triangle(np.array([[1.0, 0.25], [0.25, 1.0]]))
        [[1.0], [0.25, 1.0]]

    """
    rows = np.round(G, GRAM_DECIMALS).tolist()
    return [row[: i + 1] for i, row in enumerate(rows)]


def _symmetric(rows: list[list[float]]) -> FloatArray:
    """Return the symmetric matrix with these rows as its lower triangle."""
    lower = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        lower[i, : len(row)] = row
    # The diagonal is part of `lower`, and must not be added twice.
    return lower + np.tril(lower, -1).T
