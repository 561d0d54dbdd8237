"""Numbers of a plot, for the script that draws it again."""

import math
from collections.abc import Mapping, Sequence

from conebench.site.charts.drawing import HEIGHT, WIDTH, Drawing, Scale, Series

DIGITS = 5
# Digits of values in a plot, as the script tells them, and steps on its axis that stay apart.
TOLD, STEPS = 4, 2000

Json = str | int | float | None | Sequence["Json"] | Mapping[str, "Json"]


def chart_data(drawing: Drawing) -> Mapping[str, Json]:
    """Return scales, series and rules of a drawing."""
    x, y = drawing.x, drawing.y
    # The script draws plots of the usual size only.
    if x is None or y is None or (drawing.width, drawing.height) != (WIDTH, HEIGHT):
        return {}
    shared = _places(drawing.series[0]) if drawing.series else []
    data: dict[str, Json] = {
        "x": [*_scale(x), drawing.x_label],
        "y": [*_scale(y), drawing.y_label],
        "at": shared,
        "s": [_series(s, shared, y) for s in drawing.series],
    }
    rules = {"up": drawing.upright, "level": drawing.level}
    data |= {k: [[r.name, r.style, rounded(r.at)] for r in rs] for k, rs in rules.items() if rs}
    if drawing.bands:
        data["bands"] = [[b.style, rounded(b.low), rounded(b.high)] for b in drawing.bands]
    return data


def rounded(value: float | None) -> float | int | None:
    """Round to 5 digits; whole numbers have no point."""
    if value is None:
        return None
    short = float(f"{value:.{DIGITS}g}")
    # Steps stay exact.
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else short


def told(value: float, span: float) -> float | int:
    """Round a value to what a plot tells and shows, on an axis of a given length."""
    if value == 0:
        return 0
    decimals = max(
        TOLD - 1 - math.floor(math.log10(abs(value))), math.ceil(math.log10(STEPS / span))
    )
    short = round(value, decimals)
    return int(short) if short.is_integer() else short


def rounded_all(values: Sequence[float | None]) -> list[Json]:
    """Round many values."""
    return [rounded(value) for value in values]


def _scale(scale: Scale) -> list[Json]:
    return [rounded(scale.low), rounded(scale.high), int(scale.log)]


def _places(series: Series) -> list[Json]:
    return [rounded(point[0]) if point else None for point in series.points]


def _series(series: Series, shared: Sequence[Json], y: Scale) -> Mapping[str, Json]:
    data: dict[str, Json] = {"n": series.name, "c": series.style}
    data["y"] = [told(point[1], y.high - y.low) if point else None for point in series.points]
    places = _places(series)
    if places != shared:
        data["x"] = places
    if series.intervals:
        data["i"] = [rounded_all(each) for each in series.intervals]
    flags = {"dots": series.dots, "free": not series.joined, "q": series.quiet}
    return data | {name: 1 for name, on in flags.items() if on}
