"""Scales, ticks and shapes of a plot."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np

from conebench.analysis.intervals import Estimate

WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 80, 20, 12, 50
# Room for names at the ends of lines, their distance, and how many there may be.
NAMES, LINE, MOST_NAMES = 166, 16, 8
MIN_TICKS = 3

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


def horizontal(values: Iterable[float], *, log: bool = False, room: float = 0.0) -> Scale:
    """Return the x scale that shows all values.

    `room` is the share of it left free on both sides, for marks that have a width.
    """
    low, high = _range(values, log)
    if log:
        low, high = low / (high / low) ** room, high * (high / low) ** room
    else:
        low, high = low - room * (high - low), high + room * (high - low)
    return Scale(low, high, LEFT, WIDTH - RIGHT, log)


def vertical(values: Iterable[float], *, log: bool = False) -> Scale:
    """Return the y scale that shows all values."""
    low, high = _range(values, log)
    # Some room, so that no curve and no bar touches the frame.
    if log:
        low, high = low / (high / low) ** 0.04, high * (high / low) ** 0.04
    else:
        low, high = low - 0.04 * (high - low), high + 0.04 * (high - low)
    return Scale(low, high, HEIGHT - BOTTOM, TOP, log)


def _range(values: Iterable[float], log: bool) -> tuple[float, float]:
    known = [float(value) for value in values if not log or value > 0]
    low, high = (min(known), max(known)) if known else (1.0, 10.0)
    if low < high:
        return low, high
    # A single value needs an axis of some length, too.
    return (low / 2, 2 * low) if log else (low - 0.5, low + 0.5)


def _round_values(low: float, high: float, parts: int = 5) -> list[float]:
    raw = (high - low) / parts
    power = 10.0 ** math.floor(math.log10(raw))
    # 0.999 allows for rounding in the quotient.
    step = next(power * unit for unit in (1, 2, 5, 10) if power * unit >= raw * 0.999)
    values = [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    # An axis with two marks does not show its scale.
    return values if len(values) >= MIN_TICKS else _round_values(low, high, 2 * parts)


def _round_log_values(low: float, high: float) -> list[float]:
    decades = math.log10(high / low)
    # Less than a decade holds too few round powers of 10.
    if decades < 1:
        return _round_values(low, high)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    units = (1, 2, 5) if decades < 3 else (1,)
    stride = max(1, math.ceil(decades / 6))
    values = [unit * 10.0**power for power in range(first, last + 1, stride) for unit in units]
    inside = [value for value in values if low * 0.999 <= value <= high * 1.001]
    return inside if len(inside) >= MIN_TICKS else _round_values(low, high)


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
    # Its name is for tables and scripts only.
    quiet: bool = False

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
class Band:
    """A tinted part of the x axis."""

    style: str
    low: float
    high: float


@dataclass(frozen=True)
class Name:
    """A name next to what it names."""

    text: str
    style: str
    x: float
    y: float


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
    # What it was drawn from, for scripts that draw it again; None for other kinds of drawing.
    x: Scale | None = None
    y: Scale | None = None
    series: tuple[Series, ...] = ()
    upright: tuple[Rule, ...] = ()
    level: tuple[Rule, ...] = ()
    bands: tuple[Band, ...] = ()
    names: tuple[Name, ...] = ()


def draw(
    x: Scale,
    y: Scale,
    labels: tuple[str, str],
    series: Sequence[Series],
    *,
    upright: Sequence[Rule] = (),
    level: Sequence[Rule] = (),
    bands: Sequence[Band] = (),
) -> Drawing:
    """Draw series, rules and bands over axes.

    On a logarithmic y axis, points at or below 0 are left out. A few lines are named at their
    ends, many or dots in the legend.
    """
    if y.log:
        series = [
            replace(s, points=[p if p and p[1] > 0 else None for p in s.points]) for s in series
        ]
    legend = _legend_keys(series, level)
    # Drawings of other sizes have no room for names.
    roomy = x.end == WIDTH - RIGHT and len(legend) <= MOST_NAMES
    direct = roomy and all(s.joined or s.quiet for s in series)
    if direct and legend:
        x = replace(x, end=WIDTH - NAMES)
    above = _rule_names(upright, x)
    y = replace(y, end=TOP + LINE * len(above))
    names = [*above, *(_end_names(series, level, x, y) if direct else ())]
    rules = [Segment(r.style, x.at(r.at), y.end, x.at(r.at), HEIGHT - BOTTOM) for r in upright]
    rules += [Segment(r.style, LEFT, y.at(r.at), x.end, y.at(r.at)) for r in level]
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
        frame=(LEFT, y.end, x.end - LEFT, HEIGHT - y.end - BOTTOM),
        paths=tuple(Path(s.style, _line_data(s.points, x, y)) for s in series if s.joined),
        segments=(*rules, *bars),
        dots=tuple(_dot_marks(series, x, y)),
        legend=() if direct else legend,
        x=x,
        y=y,
        series=tuple(series),
        upright=tuple(upright),
        level=tuple(level),
        bands=tuple(bands),
        names=tuple(names),
    )


def _rule_names(rules: Sequence[Rule], x: Scale) -> list[Name]:
    """Put names above the frame, off the curves."""
    first = {rule.name: rule for rule in reversed(rules)}
    order = [name for name in dict.fromkeys(rule.name for rule in rules) if name]
    return [
        Name(name, "rule-name", x.at(first[name].at) + 4, TOP + LINE * (i + 1) - 5)
        for i, name in enumerate(order)
    ]


def _end_names(series: Sequence[Series], rules: Sequence[Rule], x: Scale, y: Scale) -> list[Name]:
    """Put names where their lines end."""
    ends = {rule.name: (y.at(rule.at), rule.style) for rule in rules}
    for s in series:
        known = [point for point in s.points if point]
        if s.name and known and not s.quiet:
            ends.setdefault(s.name, (y.at(known[-1][1]), s.style))
    ordered = sorted((at, name, style) for name, (at, style) in ends.items())
    places = [at for at, _, _ in ordered]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + LINE)
    # The last ones must not leave the frame.
    limit = HEIGHT - BOTTOM + LINE / 2
    for i in reversed(range(len(places))):
        places[i] = min(places[i], limit)
        limit = places[i] - LINE
    return [
        Name(name, style, x.end + 8, round(place + 4, 1))
        for place, (_, name, style) in zip(places, ordered, strict=True)
    ]


def _line_data(points: Sequence[Point | None], x: Scale, y: Scale) -> str:
    coordinates = iter(_coordinates(points, x, y))
    places = [None if point is None else next(coordinates) for point in points]
    runs = groupby(places, lambda place: place is not None)
    return "".join(line_through(filter(None, run)) for known, run in runs if known)


def line_through(places: Iterable[Point]) -> str:
    """Write a line through coordinates with one decimal.

    Steps from one to the next are shorter than coordinates, and lines are most of a drawing.
    """
    # In tenths, so that no step is rounded.
    tenths = [(round(10 * across), round(10 * down)) for across, down in places]
    steps = [f"{(x - x0) / 10:g} {(y - y0) / 10:g}" for (x0, y0), (x, y) in pairwise(tenths)]
    start = f"M{tenths[0][0] / 10:g} {tenths[0][1] / 10:g}"
    return start + ("l" + " ".join(steps).replace(" -", "-") if steps else "")


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
    keys = [Key(s.name, s.style, "line" if s.joined else "dot") for s in series if not s.quiet]
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
