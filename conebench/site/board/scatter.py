"""Figures of all records against each factor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from conebench.analysis.intervals import Estimate
from conebench.record.quantities import BOARD, UNDEFINED, Quantity
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

FIGURES = tuple(quantity for quantity in BOARD if quantity.field in ("CES", "N", "benefit"))
# Letters that fit under an axis.
LABELS_LENGTH = 72

Known = tuple[Value, Estimate, Row]
Styles = Mapping[str, str]


@dataclass(frozen=True)
class FactorSection:
    """Plots of one factor, or the value that all records share."""

    factor: Factor
    plots: tuple[Plot, ...]
    shared: str = ""


def factor_sections(rows: Sequence[Row]) -> list[FactorSection]:
    """Plot CES, N and B(w) against each factor."""
    datasets = sorted({row.dataset for row in rows})
    # Colors are by dataset on every plot, or one for all if there are too many to tell apart.
    many = len(datasets) > MAX_COLORS
    styles = {name: "c0" if many else f"c{i}" for i, name in enumerate(datasets)}
    return [_factor_section(factor, rows, styles) for factor in FACTORS]


def _factor_section(factor: Factor, rows: Sequence[Row], styles: Styles) -> FactorSection:
    values = {row.factors[factor.key] for row in rows} - {None}
    if len(values) < 2:
        return FactorSection(factor, (), value_text(next(iter(values), None)))
    return FactorSection(factor, tuple(_factor_plot(factor, q, rows, styles) for q in FIGURES))


def value_text(value: Value | None) -> str:
    """Write the value of a factor."""
    if value is None:
        return "not stated"
    return f"{value:,.10g}" if isinstance(value, float) else value


def _factor_plot(factor: Factor, quantity: Quantity, rows: Sequence[Row], styles: Styles) -> Plot:
    known = [
        (value, estimate, row)
        for row in rows
        if (value := row.factors[factor.key]) is not None
        and (estimate := row.figures[quantity.field]) is not None
    ]
    missing = len(rows) - len(known)
    note = f"; {missing} of {len(rows)} records have no value" if missing else ""
    return Plot(
        key=f"{factor.key}-{quantity.field}",
        title=f"{quantity.symbol} against {factor.label[0].lower()}{factor.label[1:]}",
        caption=f"One dot per record with its 95 % interval, colors by dataset{note}.",
        drawing=_factor_drawing(factor, quantity, known, styles),
        table=Table(
            (factor.label, quantity.symbol, "low", "high", "Record"),
            tuple(
                (value_text(value), *_estimate_cells(estimate), row.record_id)
                for value, estimate, row in known
            ),
        ),
    )


def _estimate_cells(estimate: Estimate) -> tuple[str, ...]:
    ends = (estimate.value, estimate.low, estimate.high)
    return tuple(UNDEFINED if end is None else f"{end:.6g}" for end in ends)


def _factor_drawing(
    factor: Factor, quantity: Quantity, known: Sequence[Known], styles: Styles
) -> Drawing:
    positions = _positions([value for value, _, _ in known])
    series = _dataset_series(known, positions, styles)
    x = _factor_scale(factor, list(positions.values()))
    y = vertical(y for s in series for y in s.heights)
    drawing = draw(x, y, (factor.label, quantity.symbol), series)
    if factor.numeric:
        return drawing
    # Names share the width of the axis; long ones are cut.
    room = max(3, LABELS_LENGTH // max(1, len(positions)))
    ticks = tuple(Tick(x.at(at), _shortened(str(value), room)) for value, at in positions.items())
    return replace(drawing, x_ticks=ticks)


def _positions(values: Sequence[Value]) -> dict[Value, float]:
    """Return where on the x axis each value is."""
    numbers = [value for value in values if isinstance(value, float)]
    if len(numbers) == len(values):
        return {value: value for value in numbers}
    return {name: float(i) for i, name in enumerate(sorted(set(values), key=str))}


def _factor_scale(factor: Factor, at: Sequence[float]) -> Scale:
    if not factor.numeric:
        return horizontal([-0.5, max(at, default=0.0) + 0.5])
    known = at or [1.0]
    return horizontal([min(known) / 1.2, max(known) * 1.2], log=True)


def _shortened(label: str, room: int) -> str:
    return label if len(label) <= room else label[: room - 1] + "…"


def _dataset_series(
    known: Sequence[Known], positions: dict[Value, float], styles: Styles
) -> list[Series]:
    """Return the dots of each dataset."""
    # The legend names datasets if colors tell them apart.
    named = len(set(styles.values())) == len(styles)
    return [
        estimates_series(
            dataset if named else "",
            style,
            ((positions[value], e) for value, e, row in known if row.dataset == dataset),
            joined=False,
        )
        for dataset, style in styles.items()
    ]
