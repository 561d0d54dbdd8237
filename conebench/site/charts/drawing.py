"""Scales, ticks and shapes of a plot."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from conebench.analysis.intervals import Estimate

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 80, 26, 12, 50

Point = tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Scale:
    """A map from data to coordinates."""

    # Ends of the data.
    low: float
    high: float
    # Coordinates of the ends.
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the coordinate of a value, cut off at the ends."""
        if self.log:
            floor = max(value, self.low)
            share = math.log(floor / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 1)

    def every(self, values: Sequence[float]) -> list[float]:
        """Return the coordinates of many values, much faster."""
        known = np.minimum(np.maximum(np.array(values, dtype=np.float64), self.low), self.high)
        low, high = self.low, self.high
        if self.log:
            known, low, high = np.log(known), math.log(low), math.log(high)
        share = (known - low) / (high - low)
        tenths = np.rint(10 * (self.start + share * (self.end - self.start)))
        coordinates: list[float] = (tenths / 10).tolist()
        return coordinates

    def ticks(self, label: Callable[[float], str]) -> tuple[Tick, ...]:
        """Return about five labeled marks at round values."""
        values = (_round_log_values if self.log else _round_values)(self.low, self.high)
        return tuple(Tick(self.at(value), label(value)) for value in values)


def horizontal(values: Iterable[float], *, log: bool = False) -> Scale:
    """Return the x scale that shows all values."""
    return Scale(*_range(values, log), LEFT, WIDTH - RIGHT, log)


def vertical(values: Iterable[float], *, log: bool = False) -> Scale:
    """Return the y scale that shows all values."""
    low, high = _range(values, log)
    # Some room, so that no curve touches the frame.
    room = 0.0 if log else 0.04 * (high - low)
    return Scale(low - room, high + room, HEIGHT - BOTTOM, TOP, log)


def _range(values: Iterable[float], log: bool) -> tuple[float, float]:
    known = [float(value) for value in values if not log or value > 0]
    low, high = (min(known), max(known)) if known else (1.0, 10.0)
    if low < high:
        return low, high
    # A single value needs an axis of some length, too.
    return (low / 2, 2 * low) if log else (low - 0.5, low + 0.5)


def _round_values(low: float, high: float) -> list[float]:
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    # 0.999 allows for rounding in the quotient.
    step = next(power * unit for unit in (1, 2, 5, 10) if power * unit >= raw * 0.999)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _round_log_values(low: float, high: float) -> list[float]:
    decades = math.log10(high / low)
    # Less than a decade holds too few round powers of 10.
    if decades < 1:
        return _round_values(low, high)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    units = (1, 2, 5) if decades < 3 else (1,)
    stride = max(1, math.ceil(decades / 6))
    values = [unit * 10.0**power for power in range(first, last + 1, stride) for unit in units]
    return [value for value in values if low * 0.999 <= value <= high * 1.001]


@dataclass(frozen=True)
class Series:
    """A curve or a set of dots; `style` is its CSS class."""

    name: str
    style: str
    # None breaks the line.
    points: Sequence[Point | None]
    # Each is (x, low, high).
    intervals: Sequence[tuple[float, float, float]] = ()
    joined: bool = True
    dots: bool = False

    @property
    def heights(self) -> list[float]:
        """All y that the series reaches, with its intervals."""
        ends = [y for _, low, high in self.intervals for y in (low, high)]
        return [*(point[1] for point in self.points if point), *ends]


def estimates_series(
    name: str, style: str, estimates: Iterable[tuple[float, Estimate]], *, joined: bool = True
) -> Series:
    """Return estimates as dots with their intervals."""
    known = list(estimates)
    intervals = [
        (x, estimate.low, estimate.high)
        for x, estimate in known
        if estimate.low is not None and estimate.high is not None
    ]
    points = [(x, estimate.value) for x, estimate in known]
    return Series(name, style, points, intervals, joined=joined, dots=True)


@dataclass(frozen=True)
class Rule:
    """A straight line across the plot at one value."""

    name: str
    style: str
    at: float


@dataclass(frozen=True)
class Key:
    """An entry of the legend."""

    name: str
    style: str
    # Kind of mark: "line", "dot" or "cell".
    mark: str


@dataclass(frozen=True)
class Segment:
    """A straight line between two points."""

    style: str
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Dot:
    """Mark of a point."""

    style: str
    x: float
    y: float


@dataclass(frozen=True)
class Path:
    """A line, or cells of one color, as SVG path data."""

    style: str
    data: str


@dataclass(frozen=True)
class Drawing:
    """All shapes of a plot, in coordinates."""

    width: int
    height: int
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    # Left, top, width and height.
    frame: tuple[float, float, float, float]
    paths: tuple[Path, ...]
    segments: tuple[Segment, ...]
    dots: tuple[Dot, ...]
    legend: tuple[Key, ...]
    # The scale of x, for scripts that mark a step.
    x: Scale | None = None


def draw(
    x: Scale,
    y: Scale,
    labels: tuple[str, str],
    series: Sequence[Series],
    *,
    upright: Sequence[Rule] = (),
    level: Sequence[Rule] = (),
) -> Drawing:
    """Draw series over axes, with rules at values of x and y.

    On a logarithmic y axis, points at or below 0 are left out.
    """
    if y.log:
        series = [
            replace(s, points=[p if p and p[1] > 0 else None for p in s.points]) for s in series
        ]
    rules = [Segment(r.style, x.at(r.at), TOP, x.at(r.at), HEIGHT - BOTTOM) for r in upright]
    rules += [Segment(r.style, LEFT, y.at(r.at), WIDTH - RIGHT, y.at(r.at)) for r in level]
    bars = [
        Segment(f"bar {s.style}", x.at(at), y.at(low), x.at(at), y.at(high))
        for s in series
        for at, low, high in s.intervals
    ]
    return Drawing(
        width=WIDTH,
        height=HEIGHT,
        x_label=labels[0],
        y_label=labels[1],
        x_ticks=x.ticks(compact),
        y_ticks=y.ticks(compact),
        frame=(LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM),
        paths=tuple(Path(s.style, _line_data(s.points, x, y)) for s in series if s.joined),
        segments=(*rules, *bars),
        dots=tuple(_dot_marks(series, x, y)),
        legend=_legend_keys(series, [*level, *upright]),
        x=x,
    )


def _line_data(points: Sequence[Point | None], x: Scale, y: Scale) -> str:
    parts, pen = [], "M"
    coordinates = iter(_coordinates(points, x, y))
    for point in points:
        if point is None:
            pen = "M"
            continue
        across, down = next(coordinates)
        parts.append(f"{pen}{across:g} {down:g}")
        pen = "L"
    return "".join(parts)


def _coordinates(points: Sequence[Point | None], x: Scale, y: Scale) -> Iterable[Point]:
    """Return the coordinates of points that are not None."""
    known = [point for point in points if point is not None]
    across, down = x.every([point[0] for point in known]), y.every([point[1] for point in known])
    return zip(across, down, strict=True)


def _dot_marks(series: Sequence[Series], x: Scale, y: Scale) -> list[Dot]:
    return [
        Dot(s.style, across, down)
        for s in series
        if s.dots
        for across, down in _coordinates(s.points, x, y)
    ]


def _legend_keys(series: Sequence[Series], rules: Sequence[Rule]) -> tuple[Key, ...]:
    """Return each name once, in the order drawn."""
    keys = [Key(s.name, s.style, "line" if s.joined else "dot") for s in series]
    keys += [Key(rule.name, rule.style, "line") for rule in rules]
    # The first of equal names is kept, and no entry without a name.
    return tuple({key.name: key for key in reversed(keys) if key.name}.values())[::-1]


SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def compact(value: float) -> str:
    """Write a short label: 0.05, 200, 20k, 3M, 5×10⁻⁷."""
    size = abs(value)
    if size and not 1e-4 <= size < 1e9:
        digits, _, power = f"{value:.0e}".partition("e")
        scale = "10" + str(int(power)).translate(SUPERSCRIPTS)
        return scale if digits == "1" else f"{digits}×{scale}"
    for unit, name in ((1e6, "M"), (1e4, "k")):
        if size >= unit:
            return f"{value / (1e3 if name == 'k' else unit):g}{name}"
    return f"{value:,g}"
