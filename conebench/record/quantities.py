"""The one table of figures, and how numbers are written."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from conebench.analysis.cone_strength import BOUNDS
from conebench.analysis.distance import FloatArray
from conebench.analysis.intervals import Estimate
from conebench.analysis.strength import Summary

UNDEFINED = "–"
# The schema of a record says what each figure means; the board and the data page repeat it.
MEANINGS: dict[str, str] = {
    field.name: field.metadata["description"] for field in dataclasses.fields(Summary)
}


def rounded(value: float, decimals: int) -> str:
    """Write a number with decimals and its thousands separated."""
    # Adding 0.0 makes a negative zero positive.
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"


def percent(share: float) -> str:
    """Write a fraction in percent, without the sign."""
    return rounded(100 * share, 1)


def whole(step: float) -> str:
    """Write a step, or a mean of steps."""
    return rounded(step, 0)


def one_decimal(value: float) -> str:
    """Write a strength or an angle."""
    return rounded(value, 1)


def degrees(angle: float) -> str:
    """Write an angle with its unit."""
    return f"{one_decimal(angle)}°"


def two_decimals(value: float) -> str:
    """Write a share or an exponent."""
    return rounded(value, 2)


def distance(S: float) -> str:
    """Write a kernel distance with three significant digits."""
    # Rounded first, or a distance of 0 would read as 1e-17.
    return f"{round(S, 12) + 0.0:.3g}"


def distance_rows(S: Float[FloatArray, "rows columns"]) -> list[list[str]]:
    """Write many kernel distances as `distance` does, much faster."""
    return [[f"{value:.3g}" for value in row] for row in (np.round(S, 12) + 0.0).tolist()]


def optional(number: Callable[[float], str], value: float | None) -> str:
    """Write a value, or a dash for None."""
    return UNDEFINED if value is None else number(value)


def interval(number: Callable[[float], str], estimate: Estimate | None) -> str:
    """Write the 95 % interval, if there is one.

    >>> interval(percent, Estimate(0.003, 0.0002, 0.006, 5))
    '[+0.0, 0.6]'

    """
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    low, high = number(estimate.low), number(estimate.high)
    # An end that is rounded to 0 still says on which side of 0 the whole interval lies.
    if estimate.low > 0 and _reads_as_zero(low):
        low = f"+{low}"
    if estimate.high < 0 and _reads_as_zero(high):
        high = f"-{high}"
    return f"[{low}, {high}]"


def _reads_as_zero(text: str) -> bool:
    return not any(digit in text for digit in "123456789")


def interval_or_reason(number: Callable[[float], str], estimate: Estimate | None) -> str:
    """Write the 95 % interval, or why there is none."""
    missing = "one seed" if estimate is not None and estimate.seeds == 1 else UNDEFINED
    return interval(number, estimate) or missing


# Axes of figures stay finite.
LARGEST = 1e30


@dataclass(frozen=True)
class Quantity:
    """One figure of `Summary`."""

    # Its name there and in files.
    field: str
    symbol: str
    number: Callable[[float], str]
    # What a higher value means.
    higher: str
    unit: str = ""

    @property
    def meaning(self) -> str:
        """Its meaning, from the schema of a record."""
        return MEANINGS[self.field]

    def value(self, estimate: Estimate | None) -> str:
        """Write the estimate's value with its unit."""
        return UNDEFINED if estimate is None else self.number(estimate.value) + self.unit

    def interval(self, estimate: Estimate | None) -> str:
        """Write the 95 % interval, if there is one."""
        return interval(self.number, estimate)


STRENGTH = Quantity("CES", "CES", one_decimal, "a stronger effect")
BOARD = (
    STRENGTH,
    Quantity("turn_deg", "turn", one_decimal, "a kernel that rotates farther", "°"),
    Quantity("cone_deg", "cone angle", one_decimal, "a wider cone", "°"),
    Quantity("N", "N", two_decimals, "a narrower cone"),
    Quantity("alpha", "α", two_decimals, "less confined"),
    Quantity("benefit", "B(w)", percent, "worth more", " points"),
    Quantity("kernel_benefit", "kernel benefit", percent, "worth more", " points"),
    Quantity("lazy_gap", "lazy gap", percent, "a larger advantage over lazy training", " points"),
    Quantity("Gamma", "Γ(w)", two_decimals, "more of the lazy gap needs non-linear training"),
)
QUANTITIES = (
    *BOARD,
    Quantity("VR", "VR", two_decimals, "less confined"),
    Quantity("motion", "motion", distance, "a kernel that moves more"),
    Quantity("cone_95_deg", "cone angle, 95 %", one_decimal, "a wider cone", "°"),
    Quantity("drift", "drift", two_decimals, "a kernel that slows down less"),
    Quantity("loss_benefit", "B(w) in test loss", distance, "worth more"),
    Quantity("A_full", "A(full)", percent, "more accurate", " %"),
    Quantity("A_lazy", "A(lazy)", percent, "more accurate", " %"),
    Quantity("A_switched", "A(switched(w))", percent, "more accurate", " %"),
    Quantity("T_star", "T*", whole, "a longer Phase I"),
    Quantity("change_point", "T*, change point", whole, "a longer Phase I"),
    Quantity("T_fit", "T_fit", whole, "slower training"),
)


def strength_interval(CES: Estimate | None, contributions: Sequence[float]) -> str:
    """Write the interval of CES, and where CES was cut.

    Args:
        CES: The strength, within 0 and 100.
        contributions: Values of the seeds, whose mean is CES before it was cut.

    """
    note = cut_note(contributions)
    if CES is None or not note:
        return STRENGTH.interval(CES)
    # An interval without width would look like certainty.
    written = "" if CES.low == CES.high else STRENGTH.interval(CES)
    return f"{written}, {note}".removeprefix(", ")


def cut_note(contributions: Sequence[float]) -> str:
    """Say where CES was cut. Empty if it was not."""
    mean = float(np.mean(contributions)) if contributions else BOUNDS[0]
    if mean < BOUNDS[0]:
        return f"cut at {BOUNDS[0]:g}: α above 1"
    return f"cut at {BOUNDS[1]:g}: α below 0" if mean > BOUNDS[1] else ""


def check_finite(estimate: Estimate | None) -> None:
    """Raise a ValueError if a figure is too large to draw, or not finite."""
    if estimate is None:
        return
    ends = [end for end in (estimate.value, estimate.low, estimate.high) if end is not None]
    # A comparison with nan is false.
    if not all(abs(end) <= LARGEST for end in ends):
        raise ValueError(f"a figure is not a finite number up to {LARGEST:g}")
