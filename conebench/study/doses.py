"""Responses over the levels of one factor at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conebench.analysis.study import Effect
from conebench.study.effects import Cells, cell_effect, find_probe_variance
from conebench.study.figures import Cell
from conebench.study.levels import Level
from conebench.study.plan import (
    BATCHES,
    CENTER,
    DECAYS,
    DEPTHS,
    NORMS,
    RATES,
    SCALES,
    SIZES,
    WIDTHS,
)
from conebench.study.responses import Response


@dataclass(frozen=True)
class Dose:
    """Levels of one factor, one at a time around the center."""

    factor: str
    cells: tuple[str, ...]
    log: bool = True


DOSES = (
    Dose("learning rate", RATES),
    Dose("batch size", BATCHES),
    Dose("width", WIDTHS),
    Dose("depth", DEPTHS),
    Dose("output scale", SCALES),
    Dose("training images", SIZES),
    Dose("weight decay", DECAYS, log=False),
    Dose("normalization", (CENTER, *NORMS), log=False),
)


@dataclass(frozen=True)
class DoseCurve:
    """A response over the levels of a factor."""

    dose: Dose
    response: Response
    levels: tuple[Level, ...]
    # Mean of each level, and the values of each seed; None where undefined.
    effects: tuple[Effect | None, ...]
    seeds: Mapping[int, tuple[float | None, ...]]


def dose_curves(cells: Cells, responses: Sequence[Response]) -> list[DoseCurve]:
    """Return the response to each factor of block B. It needs two levels."""
    curves = []
    for dose in DOSES:
        known = [cells[name] for name in dose.cells if name in cells]
        known = [cell for cell in known if _has_level(cell, dose)]
        if len(known) > 1:
            curves += [_dose_curve(dose, response, known, cells) for response in responses]
    return curves


def _has_level(cell: Cell, dose: Dose) -> bool:
    level = cell.levels.get(dose.factor)
    # A logarithmic axis has no place for names, nor for 0.
    return level is not None and (not dose.log or (not isinstance(level, str) and level > 0))


def _dose_curve(dose: Dose, response: Response, known: Sequence[Cell], cells: Cells) -> DoseCurve:
    probes = find_probe_variance(cells, response)
    seeds = sorted({seed for cell in known for seed in cell.seed_numbers})
    values = {
        seed: tuple(
            None if (value := cell.value(seed, response)) is None else float(value.mean())
            for cell in known
        )
        for seed in seeds
    }
    return DoseCurve(
        dose,
        response,
        tuple(cell.levels[dose.factor] for cell in known),
        tuple(cell_effect(cell, response, probes) for cell in known),
        values,
    )
