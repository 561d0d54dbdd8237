"""The table of benefits at each switch step, on a record's page."""

from conebench.analysis.strength import SWITCH_FIGURES, SwitchFigures
from conebench.record import Record
from conebench.record.quantities import QUANTITIES, UNDEFINED, Quantity, whole
from conebench.site.charts.table import Table, table_of
from conebench.text import of_one

# Names of the columns: the figures of the board are those at w.
COLUMNS = {
    "benefit": "B(s)",
    "loss_benefit": "B(s) in test loss",
    "kernel_benefit": "Kernel benefit",
    "Gamma": "Γ(s)",
}
FIGURES = tuple(quantity for quantity in QUANTITIES if quantity.field in SWITCH_FIGURES)


def benefits_table(record: Record) -> Table:
    """Return one row per switch step, then one for T* if arms switch there; empty without any."""
    asked = record.spec.switching.add_t_star
    rows = [
        _cells(switch, record.figures.w)
        for switch in record.figures.switches
        # T* may happen to be a step of the spec.
        if switch.step is not None or asked or any(getattr(switch, q.field) for q in FIGURES)
    ]
    return table_of(rows) if rows else Table((), ())


def _cells(switch: SwitchFigures, w: int | None) -> dict[str, str]:
    figures = {COLUMNS[quantity.field]: _text(quantity, switch) for quantity in FIGURES}
    reasons = of_one("; ".join(dict.fromkeys(switch.undefined.values())))
    return {"s": _step_text(switch.step, w), **figures, "Why undefined": reasons or UNDEFINED}


def _step_text(step: int | None, w: int | None) -> str:
    if step is None:
        return "T* of each seed"
    return f"{whole(step)} = w" if step == w else whole(step)


def _text(quantity: Quantity, switch: SwitchFigures) -> str:
    estimate = getattr(switch, quantity.field)
    return f"{quantity.value(estimate)} {quantity.interval(estimate)}".strip()
