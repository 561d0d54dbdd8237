"""Compare an effect with the same one measured otherwise."""

from typing import Literal

from conebench.analysis.study import Effect

# How the interval of an effect that is measured otherwise compares with the one as registered.
Result = Literal["remains", "reversed", "not found", "appears"]


def compare_intervals(first: Effect | None, second: Effect | None) -> Result | None:
    """Say what becomes of an effect that is measured otherwise. None without both intervals."""
    before, after = _side(first), _side(second)
    if before is None or after is None:
        return None
    if after == 0:
        return "not found"
    if before == 0:
        return "appears"
    return "remains" if after == before else "reversed"


def _side(effect: Effect | None) -> int | None:
    """Return the sign of an interval, 0 if it contains 0. None without one."""
    ends = effect.interval() if effect else None
    return None if ends is None else (ends[0] > 0) - (ends[1] < 0)
