"""Figures of methods 1 and 2, kept so that older records can be read."""

from dataclasses import dataclass, field

from conebench.analysis.intervals import Estimate
from conebench.analysis.meaning import says
from conebench.record.part import Text


@dataclass(frozen=True)
class OlderCone:
    """Cone of Phase II by methods 1 and 2; not derived any more."""

    half_angle_deg: float = field(metadata=says("Largest angle of Phase II's kernels to the axis."))
    half_angle_95_deg: float = field(metadata=says("95th percentile of these angles."))
    turn_deg: float = field(metadata=says("Angle of the first kernel to the axis."))
    N: float = field(metadata=says("Narrowness, clip(1 - half-angle / turn, 0, 1)."))
    alpha: float | None = field(metadata=says("Slope of ln S over ln lag in Phase II."))
    path_deg: float = field(metadata=says("Sum of the angles between neighbors in Phase II."))
    end_to_end_deg: float = field(
        metadata=says("Angle between the first and the last kernel of Phase II.")
    )


@dataclass(frozen=True)
class OlderSummary:
    """Figures over seeds by methods 1 and 2; readers derive those of this method instead."""

    verdict: Text = field(metadata=says("`measured`, or why CES was undefined."))
    detail: Text = field(metadata=says("The verdict in a sentence."))
    CES: Estimate | None = field(metadata=says("100 √(N Γ)."))
    Gamma: Estimate | None = field(metadata=says("1 − R, clipped to [0, 1]."))
    R: Estimate | None = field(metadata=says("(A(switched(T*)) − A(lazy)) / lazy gap."))
    lazy_gap: Estimate | None = field(metadata=says("A(full) − A(lazy)."))
    N: Estimate | None = field(metadata=says("1 − half-angle / turn, clipped to [0, 1]."))
    alpha: Estimate | None = field(metadata=says("Slope of ln S over ln lag in Phase II."))
    floor: Estimate | None = field(metadata=says("S between neighbors late in Phase II."))
    T_star: Estimate | None = field(metadata=says("End of Phase I by settling time."))
    turn_deg: Estimate | None = field(metadata=says("Angle from the first kernel to the axis."))
    half_angle_deg: Estimate | None = field(
        metadata=says("Largest angle of Phase II's kernels to the axis.")
    )
    A_lazy: Estimate | None = field(metadata=says("Test accuracy at T of lazy."))
    A_switched: Estimate | None = field(metadata=says("Test accuracy at T of switched(T*)."))
    A_full: Estimate | None = field(metadata=says("Test accuracy at T of ordinary training."))
