"""Draw curves as one line of text."""

import math
from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
PLAIN_BARS = "_.-~=+*#"
WIDTH = 60


def sparkline(
    values: Sequence[float], *, log: bool = False, bars: str = BARS, width: int = WIDTH
) -> str:
    """Draw at most `width` evenly spaced values as bars.

    With `log`, heights are logarithms, and values that are not positive leave gaps.
    """
    count = min(len(values), width)
    chosen = [values[round(i * (len(values) - 1) / max(1, count - 1))] for i in range(count)]
    heights = [_height(value, log=log) for value in chosen]
    known = [height for height in heights if height is not None]
    if not known:
        return " " * count
    low, reach = min(known), max(known) - min(known)
    return "".join(_bar(height, low, reach, bars) for height in heights)


def bars_for(encoding: str | None) -> str:
    """Return bars that a terminal with this encoding can show."""
    try:
        BARS.encode(encoding or "ascii")
    except (UnicodeError, LookupError):
        return PLAIN_BARS
    return BARS


def _height(value: float, *, log: bool) -> float | None:
    if not log:
        return value
    return math.log(value) if value > 0 else None


def _bar(height: float | None, low: float, reach: float, bars: str) -> str:
    if height is None:
        return " "
    share = (height - low) / reach if reach > 0 else 0.0
    return bars[min(len(bars) - 1, int(share * len(bars)))]
