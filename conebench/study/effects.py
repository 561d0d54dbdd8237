"""Effects of the study's contrasts, from the cells that are there."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from conebench.analysis.study import (
    Effect,
    ProbeVariance,
    mean_difference,
    mean_over_seeds,
    probe_variance,
    side_difference,
    slope,
    slope_weights,
)
from conebench.analysis.study.contrasts import Cell as Value
from conebench.study.figures import Cell
from conebench.study.levels import Level
from conebench.study.plan import PROBE_CELLS, Contrast, Hypothesis
from conebench.study.responses import Response

Cells = Mapping[str, Cell]
# Two seeds have an interval, but block F needs to tell seeds from probe sets.
FEWEST_SETS = 2


@dataclass(frozen=True)
class BlockEffect:
    """The effect of a factor in one block."""

    block: str
    # None if it cannot be computed.
    effect: Effect | None
    # Runs that it rests on: seeds times cells.
    runs: int
    # Doublings between the lowest and the highest level; 1 for categories.
    span: float
    missing: tuple[str, ...]
    # Of a contrast of two or more pairs of cells: each pair by its first cell, with its mean over
    # seeds. Empty for other contrasts, and without an effect.
    pairs: tuple[tuple[str, float], ...] = ()

    @property
    def same_sign(self) -> tuple[int, int] | None:
        """Count the pairs with the sign of the effect, and all of them. None without pairs."""
        if not self.pairs or self.effect is None:
            return None
        return sum(change * self.effect.value > 0 for _, change in self.pairs), len(self.pairs)


def latest_cells(cells: list[Cell]) -> dict[str, Cell]:
    """Return one record of each spec. The one with the most seeds counts, then the latest."""
    ordered = sorted(cells, key=lambda cell: (len(cell.seeds), cell.created, cell.record))
    return {cell.spec: cell for cell in ordered}


def find_probe_variance(cells: Cells, response: Response) -> ProbeVariance | None:
    """Return the variance between probe sets, by block F. None if it cannot be known.

    It is of the seeds that all of its cells have.
    """
    known = [cells[name] for name in PROBE_CELLS if name in cells]
    if not response.of_kernel or len(known) < FEWEST_SETS:
        return None
    shared = set.intersection(*(set(cell.seed_numbers) for cell in known))
    rows = [[cell.value(seed, response) for cell in known] for seed in sorted(shared)]
    defined = [[float(v[0]) for v in row if v is not None] for row in rows]
    whole = [row for row in defined if len(row) == len(known)]
    return probe_variance(np.array(whole)) if len(whole) > 1 else None


def cell_effect(cell: Cell, response: Response, probes: ProbeVariance | None) -> Effect | None:
    """Return the mean of a response in one cell.

    The variance between probe sets is added, since all seeds share one set.
    """
    found = mean_over_seeds([cell.value(seed, response) for seed in cell.seed_numbers])
    if found is None or probes is None:
        return found
    return found.widened(probes.variance, probes.freedom)


def block_effect(
    contrast: Contrast,
    hypothesis: Hypothesis,
    response: Response,
    cells: Cells,
    probes: ProbeVariance | None,
) -> BlockEffect:
    """Return the effect of a factor in one block."""
    known = _known_cells(contrast, hypothesis, cells)
    missing = tuple(name for name in contrast.names if name not in known)
    span = _span(contrast, hypothesis, known)
    if span is None:
        return BlockEffect(contrast.block, None, 0, 1.0, missing)
    found = seed_contrasts(contrast, hypothesis, response, cells)
    effect = mean_over_seeds([value for value, _ in found.values()])
    runs = sum(runs for _, runs in found.values())
    if effect is not None and probes is not None and contrast.own_probe_sets:
        share = _probe_share(contrast, hypothesis, known, span)
        effect = effect.widened(share * probes.variance, probes.freedom)
    pairs = _pair_means(contrast, hypothesis, response, cells) if effect and effect.value else ()
    return BlockEffect(contrast.block, effect, runs, span, missing, pairs)


def _pair_means(
    contrast: Contrast, hypothesis: Hypothesis, response: Response, cells: Cells
) -> tuple[tuple[str, float], ...]:
    """Return the mean of each pair of cells that has a difference. Empty without two of them."""
    if contrast.kind != "pairs":
        return ()
    found = []
    for first, second in zip(contrast.first, contrast.second, strict=True):
        pair = replace(contrast, first=(first,), second=(second,))
        by_seed = seed_contrasts(pair, hypothesis, response, cells).values()
        means = [value.mean() for value, _ in by_seed if value is not None]
        if means:
            found.append((first, float(np.mean(means))))
    return tuple(found) if len(found) > 1 else ()


def summed_rates_differ(contrast: Contrast, cells: Cells) -> bool:
    """Return True if a contrast compares cells whose motion is divided by different rates.

    It is divided by the sum of the learning rates of an interval, whose steps are a share of all.
    """
    if contrast.kind == "slope":
        return len(_rates(contrast.first, cells)) > 1
    both = zip(contrast.first, contrast.second, strict=contrast.kind == "pairs")
    known = [pair for pair in both if all(name in cells for name in pair)]
    first, second = ([pair[i] for pair in known] for i in (0, 1))
    return _rates(first, cells) != _rates(second, cells)


def _rates(names: Iterable[str], cells: Cells) -> Counter[tuple[Level | None, ...]]:
    known = [cells[name].levels for name in names if name in cells]
    return Counter((levels.get("learning rate"), levels.get("steps")) for levels in known)


def seed_contrasts(
    contrast: Contrast, hypothesis: Hypothesis, response: Response, cells: Cells
) -> dict[int, tuple[Value, int]]:
    """Return the contrast in each seed, and the runs behind it.

    Differences are per doubling where the hypothesis is, as slopes are. Undefined ones are None.
    """
    known = _known_cells(contrast, hypothesis, cells)
    span = _span(contrast, hypothesis, known)
    if span is None:
        return {}
    found: dict[int, tuple[Value, int]] = {}
    for seed in sorted({seed for cell in known.values() for seed in cell.seed_numbers}):
        values = _comparable({name: c.value(seed, response) for name, c in known.items()})
        value = _in_seed(contrast, hypothesis, known, values)
        if value is not None and contrast.kind != "slope":
            value = value / span
        found[seed] = (value, 0 if value is None else _runs(contrast, values))
    return found


def _known_cells(contrast: Contrast, hypothesis: Hypothesis, cells: Cells) -> Cells:
    """Return the cells that are there. Slopes need a level above 0."""
    found = {name: cells[name] for name in contrast.names if name in cells}
    if not hypothesis.per_doubling:
        return found
    return {name: cell for name, cell in found.items() if _level(cell, hypothesis) > 0}


def _level(cell: Cell, hypothesis: Hypothesis) -> float:
    level = cell.levels.get(hypothesis.factor, 0.0)
    return 0.0 if isinstance(level, str) else level


def _comparable(values: dict[str, Value]) -> dict[str, Value]:
    """Return values that can be subtracted. Different numbers of images leave their means."""
    lengths = {len(value) for value in values.values() if value is not None}
    if len(lengths) < 2:
        return values
    return {name: v if v is None else v.mean(keepdims=True) for name, v in values.items()}


def _in_seed(
    contrast: Contrast, hypothesis: Hypothesis, known: Cells, values: Mapping[str, Value]
) -> Value:
    if contrast.kind == "slope":
        names = [name for name in contrast.first if name in known]
        levels = [_level(known[name], hypothesis) for name in names]
        return slope(levels, [values[name] for name in names])
    first = [values.get(name) for name in contrast.first]
    second = [values.get(name) for name in contrast.second]
    if contrast.kind == "sides":
        return side_difference(first, second)
    pairs = list(zip(first, second, strict=True))
    if contrast.kind == "interaction":
        one, other = (mean_difference([pair]) for pair in pairs)
        return None if one is None or other is None else one - other
    return mean_difference(pairs)


def _runs(contrast: Contrast, values: Mapping[str, Value]) -> int:
    """Count the cells behind a contrast in one seed."""
    if contrast.kind != "pairs":
        return sum(value is not None for value in values.values())
    pairs = zip(contrast.first, contrast.second, strict=True)
    used = [p for p in pairs if all(values.get(name) is not None for name in p)]
    return len({name for pair in used for name in pair})


def _span(contrast: Contrast, hypothesis: Hypothesis, known: Cells) -> float | None:
    """Return the doublings between the levels. None if there is nothing to compare."""
    if contrast.kind == "slope":
        levels = [_level(cell, hypothesis) for cell in known.values()]
        return math.log2(max(levels) / min(levels)) or None if levels else None
    # Sides may differ in their number of cells, pairs may not; all have the same two levels.
    both = zip(contrast.first, contrast.second, strict=contrast.kind == "pairs")
    pairs = [(known[a], known[b]) for a, b in both if a in known and b in known]
    if not pairs or not hypothesis.per_doubling:
        return 1.0 if pairs else None
    high, low = (_level(cell, hypothesis) for cell in pairs[0])
    return math.log2(high / low) or None


def _probe_share(contrast: Contrast, hypothesis: Hypothesis, known: Cells, span: float) -> float:
    """Return the factor on the variance between probe sets."""
    # Each side, or each cell of a slope, has a probe set of its own.
    if contrast.kind != "slope":
        return 2 / span**2
    names = [name for name in contrast.first if name in known]
    levels = [_level(known[name], hypothesis) for name in names]
    weights = slope_weights(levels, [True] * len(levels))
    return 0.0 if weights is None else float((weights**2).sum())
