"""The figures of the board: symbol, unit, meaning, and how each is written."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from conebench.analysis.distance import FloatArray
from conebench.analysis.intervals import Estimate

UNDEFINED = "–"


def rounded(value: float, decimals: int) -> str:
    """The value with thousands separated; never a negative zero."""
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"


def percent(share: float) -> str:
    """A fraction in percent, one decimal, without the sign."""
    return rounded(100 * share, 1)


def whole(step: float) -> str:
    """A step, or a mean of steps."""
    return rounded(step, 0)


def one_decimal(value: float) -> str:
    """A strength, or an angle in degrees."""
    return rounded(value, 1)


def two_decimals(value: float) -> str:
    """A share or an exponent."""
    return rounded(value, 2)


def distance(S: float) -> str:
    """A kernel distance, three significant digits."""
    return f"{round(S, 12) + 0.0:.3g}"


def distance_rows(S: Float[FloatArray, "rows columns"]) -> list[list[str]]:
    """Many kernel distances, each as `distance` writes it, in a fraction of the time."""
    return [[f"{value:.3g}" for value in row] for row in (np.round(S, 12) + 0.0).tolist()]


def optional(number: Callable[[float], str], value: float | None) -> str:
    """A value, or the dash that stands for an undefined one."""
    return UNDEFINED if value is None else number(value)


@dataclass(frozen=True)
class Quantity:
    """One figure of `Summary`: its field there, its symbol, how it is written, what it says."""

    field: str
    symbol: str
    number: Callable[[float], str]
    unit: str
    meaning: str

    def text(self, value: float | None) -> str:
        """A value with its unit, or the dash that stands for an undefined one."""
        return UNDEFINED if value is None else self.number(value) + self.unit

    def value(self, estimate: Estimate | None) -> str:
        """The estimate's value."""
        return self.text(estimate.value if estimate else None)

    def interval(self, estimate: Estimate | None) -> str:
        """The 95 % interval in the same unit, empty where there is none."""
        if estimate is None or estimate.low is None or estimate.high is None:
            return ""
        return f"[{self.number(estimate.low)}, {self.number(estimate.high)}]"


BOARD = (
    Quantity("CES", "CES", one_decimal, "", "Cone-effect strength, 100 √(N Γ): the board’s order."),
    Quantity("N", "N", two_decimals, "", "Narrowness of the cone, 1 − half-angle / turn."),
    Quantity(
        "alpha",
        "α",
        two_decimals,
        "",
        "Confinement exponent of S against the lag in Phase II: 0 is bounded at every lag, "
        "1 is diffusion, 2 is a straight line.",
    ),
    Quantity(
        "floor",
        "floor",
        distance,
        "",
        "Kernel distance S between neighboring checkpoints in Phase II: the kernel still moves.",
    ),
    Quantity("T_star", "T*", whole, "", "The step at which Phase I ends, by the velocity floor."),
    Quantity(
        "turn_deg",
        "turn",
        one_decimal,
        "°",
        "Angle from the initial kernel to the axis of the cone.",
    ),
    Quantity(
        "half_angle_deg",
        "half-angle",
        one_decimal,
        "°",
        "Largest angle between the axis of the cone and a kernel of Phase II.",
    ),
    Quantity(
        "A_lazy",
        "A(lazy)",
        percent,
        " %",
        "Test accuracy when linearized at the linearization point.",
    ),
    Quantity(
        "A_switched",
        "A(switched(T*))",
        percent,
        " %",
        "Test accuracy when trained ordinarily to T*, then linearized.",
    ),
    Quantity("A_full", "A(full)", percent, " %", "Test accuracy of ordinary training."),
    Quantity(
        "Gamma",
        "Γ",
        two_decimals,
        "",
        "Cone share, 1 − R: the part of the advantage over lazy training earned inside the cone.",
    ),
)

MORE = (
    Quantity(
        "lazy_gap", "lazy gap", percent, " points", "A(full) − A(lazy), in percentage points."
    ),
    Quantity(
        "R", "R", two_decimals, "", "Recovered share, (A(switched(T*)) − A(lazy)) / lazy gap."
    ),
)


def check_finite(estimate: Estimate | None) -> None:
    """Raise a ValueError where a figure is not a number: the kernel data cannot be right."""
    if estimate is None:
        return
    known = [end for end in (estimate.value, estimate.low, estimate.high) if end is not None]
    if not all(map(math.isfinite, known)):
        raise ValueError("a figure is not a finite number")
