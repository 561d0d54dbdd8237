"""Figures of all records against one factor, with their intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from conebench.analysis.intervals import Estimate
from conebench.record.quantities import BOARD, Quantity
from conebench.site.board.factors import FACTORS, Factor, Value
from conebench.site.board.rows import Row
from conebench.site.charts.drawing import (
    Drawing,
    Scale,
    Series,
    Tick,
    draw,
    estimates_series,
    horizontal,
    vertical,
)
from conebench.site.charts.plot import MAX_COLORS, Plot
from conebench.site.charts.table import Table

FIGURES = tuple(quantity for quantity in BOARD if quantity.field in ("CES", "N", "T_star"))
# How many letters fit under an axis.
LABELS_LENGTH = 72

Known = tuple[Value, Estimate, Row]
Styles = Mapping[str, str]


@dataclass(frozen=True)
class Section:
    """One factor: its plots, or the one value that all records share."""

    factor: Factor
    plots: tuple[Plot, ...]
    shared: str = ""


def factor_sections(rows: Sequence[Row]) -> list[Section]:
    """CES, N and T* against each factor; a factor of one value only is named, not drawn."""
    datasets = sorted({row.dataset for row in rows})
    # One color a dataset, the same on every plot; one for all where there are too many to tell.
    many = len(datasets) > MAX_COLORS
    styles = {name: "c0" if many else f"c{i}" for i, name in enumerate(datasets)}
    return [_section(factor, rows, styles) for factor in FACTORS]


def _section(factor: Factor, rows: Sequence[Row], styles: Styles) -> Section:
    values = {row.factors[factor.key] for row in rows} - {None}
    if len(values) < 2:
        return Section(factor, (), value_text(next(iter(values), None)))
    return Section(factor, tuple(_plot(factor, q, rows, styles) for q in FIGURES))


def value_text(value: Value | None) -> str:
    """A factor's value as it is written."""
    if value is None:
        return "not stated"
    return f"{value:,.10g}" if isinstance(value, float) else value


def _plot(factor: Factor, quantity: Quantity, rows: Sequence[Row], styles: Styles) -> Plot:
    known = [
        (value, estimate, row)
        for row in rows
        if (value := row.factors[factor.key]) is not None
        and (estimate := row.figures[quantity.field]) is not None
    ]
    missing = len(rows) - len(known)
    dash = f"; {missing} of {len(rows)} records have no value" if missing else ""
    return Plot(
        key=f"{factor.key}-{quantity.field}",
        title=f"{quantity.symbol} against {factor.label[0].lower()}{factor.label[1:]}",
        caption=f"One dot a record with its 95 % interval, colors by dataset{dash}.",
        drawing=_draw(factor, quantity, known, styles),
        table=Table(
            (factor.label, quantity.symbol, "low", "high", "Record"),
            tuple(
                (value_text(value), *_numbers(estimate), row.record_id)
                for value, estimate, row in known
            ),
        ),
    )


def _numbers(estimate: Estimate) -> tuple[str, ...]:
    ends = (estimate.value, estimate.low, estimate.high)
    return tuple("–" if end is None else f"{end:.6g}" for end in ends)


def _draw(factor: Factor, quantity: Quantity, known: Sequence[Known], styles: Styles) -> Drawing:
    places = _places([value for value, _, _ in known])
    series = _series(known, places, styles)
    x = _scale(factor, list(places.values()))
    y = vertical(y for s in series for y in s.heights)
    drawing = draw(x, y, (factor.label, quantity.symbol), series)
    if factor.numeric:
        return drawing
    room = max(3, LABELS_LENGTH // max(1, len(places)))
    ticks = tuple(Tick(x.at(at), _short(str(value), room)) for value, at in places.items())
    return replace(drawing, x_ticks=ticks)


def _places(values: Sequence[Value]) -> dict[Value, float]:
    """Where each value stands: numbers at themselves, names one beside the other."""
    numbers = [value for value in values if isinstance(value, float)]
    if len(numbers) == len(values):
        return {value: value for value in numbers}
    return {name: float(i) for i, name in enumerate(sorted(set(values), key=str))}


def _scale(factor: Factor, at: Sequence[float]) -> Scale:
    if not factor.numeric:
        return horizontal([-0.5, max(at, default=0.0) + 0.5])
    known = at or [1.0]
    return horizontal([min(known) / 1.2, max(known) * 1.2], log=True)


def _short(label: str, room: int) -> str:
    return label if len(label) <= room else label[: room - 1] + "…"


def _series(known: Sequence[Known], places: dict[Value, float], styles: Styles) -> list[Series]:
    """The dots of each dataset; nameless where all have one color."""
    if len(set(styles.values())) < len(styles):
        return [_dots("", "c0", known, places)]
    return [
        _dots(dataset, style, [k for k in known if k[2].dataset == dataset], places)
        for dataset, style in styles.items()
    ]


def _dots(name: str, style: str, known: Sequence[Known], places: dict[Value, float]) -> Series:
    estimates = ((places[value], estimate) for value, estimate, _ in known)
    return estimates_series(name, style, estimates, joined=False)
