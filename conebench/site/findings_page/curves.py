"""Small multiples: dose-response curves and interactions."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conebench.analysis.study import Effect, FactorialEffect, mean_over_seeds
from conebench.record.quantities import UNDEFINED
from conebench.site.charts.drawing import Drawing, Series, Tick, compact
from conebench.site.charts.plot import Plot
from conebench.site.charts.table import Table
from conebench.site.findings_page.canvas import SMALL
from conebench.study.doses import DoseCurve
from conebench.study.effects import Cells
from conebench.study.levels import Level, level_text
from conebench.study.plan import A_DESIGN, C_DESIGN
from conebench.study.responses import Response
from conebench.study.shares import Shares

# Room at both ends of an axis.
EDGE = 1.15
MOST_INTERACTIONS = 3
# Both lines of an interaction would hide each other's intervals.
ASIDE = 0.03


def _percent(response: Response) -> float:
    return 100.0 if response.kind == "points" else 1.0


def _axis_value(response: Response, value: float) -> float:
    return response.shown(value) * _percent(response)


def _axis_label(response: Response) -> str:
    unit = response.unit.strip()
    return f"{response.symbol}, {unit}" if unit else response.symbol


def dose_plot(curve: DoseCurve) -> Plot:
    """Return the plot of one response over one factor."""
    response, factor = curve.response, curve.dose.factor
    return Plot(
        key=f"dose-{factor.replace(' ', '-')}-{response.key}",
        title=f"{response.symbol} over {factor}",
        caption="Thin lines: seeds. Dots: means with 95 % intervals.",
        drawing=_dose_drawing(curve),
        table=Table(
            (factor.capitalize(), response.symbol, "low", "high", "seeds"),
            tuple(
                (level_text(level), *_effect_cells(response, effect))
                for level, effect in zip(curve.levels, curve.effects, strict=True)
            ),
        ),
    )


def _effect_cells(response: Response, effect: Effect | None) -> tuple[str, ...]:
    if effect is None:
        return (UNDEFINED, UNDEFINED, UNDEFINED, "0")
    ends = effect.interval() or (None, None)
    shown = [None if v is None else response.shown(v) for v in (effect.value, *ends)]
    return (*(UNDEFINED if v is None else f"{v:.6g}" for v in shown), str(effect.seeds))


def _dose_drawing(curve: DoseCurve) -> Drawing:
    response, log = curve.response, curve.dose.log
    at = _positions(curve)
    seeds = [
        Series(
            "",
            "thin c4",
            [
                None if v is None else (x, _axis_value(response, v))
                for x, v in zip(at, values, strict=True)
            ],
        )
        for values in curve.seeds.values()
    ]
    mean = _mean_series("", "c0", response, list(zip(at, curve.effects, strict=True)))
    # No dot on the frame.
    low, high = (min(at) / EDGE, max(at) * EDGE) if log else (min(at) - 0.3, max(at) + 0.3)
    x = SMALL.x([low, high], log=log)
    heights = [y for series in (*seeds, mean) for y in series.heights]
    y = SMALL.y(heights, log=response.kind == "log")
    ticks = tuple(
        Tick(x.at(place), _tick_text(level)) for place, level in zip(at, curve.levels, strict=True)
    )
    labels = (curve.dose.factor, _axis_label(response))
    return SMALL.draw(x, y, labels, [*seeds, mean], x_ticks=_thinned(ticks))


def _positions(curve: DoseCurve) -> list[float]:
    if curve.dose.log:
        return [float(level) for level in curve.levels]
    return [float(i) for i in range(len(curve.levels))]


def _tick_text(level: Level) -> str:
    return level if isinstance(level, str) else compact(level)


def _thinned(ticks: tuple[Tick, ...]) -> tuple[Tick, ...]:
    """Leave out marks whose labels would touch."""
    kept: list[Tick] = []
    for tick in ticks:
        if not kept or tick.at - kept[-1].at > 4 * (len(tick.label) + len(kept[-1].label)) + 4:
            kept.append(tick)
    return tuple(kept)


def _mean_series(
    name: str, style: str, response: Response, known: Sequence[tuple[float, Effect | None]]
) -> Series:
    points, intervals = [], []
    for x, effect in known:
        points.append(None if effect is None else (x, _axis_value(response, effect.value)))
        ends = effect.interval() if effect else None
        if ends:
            low, high = (_axis_value(response, end) for end in ends)
            intervals.append((x, low, high))
    return Series(name, style, points, intervals, dots=True)


@dataclass(frozen=True)
class Interaction:
    """A two-way interaction, with the means of its four combinations."""

    shares: Shares
    found: FactorialEffect
    # The two levels of each factor.
    levels: dict[str, tuple[str, ...]]
    # By the signs of the first and the second factor.
    means: dict[tuple[int, int], Effect]


def largest_interactions(found: Sequence[Shares], cells: Cells) -> list[Interaction]:
    """Return the largest two-way interactions of each factorial."""
    largest = []
    for block in ("A", "C"):
        of_block = [
            (shares, effect)
            for shares in found
            if shares.block == block and shares.found
            for effect in shares.found.effects
            if len(effect.factors) > 1
        ]
        ordered = sorted(of_block, key=lambda item: -item[1].share)
        largest += [_interaction(*item, cells) for item in ordered[:MOST_INTERACTIONS]]
    return largest


def _interaction(shares: Shares, found: FactorialEffect, cells: Cells) -> Interaction:
    design = A_DESIGN if shares.block == "A" else C_DESIGN
    i, j = found.factors
    seeds = sorted(set.intersection(*(set(cells[name].seed_numbers) for name in design)))
    means = {}
    for a, b in itertools.product((-1, 1), repeat=2):
        names = [name for name, row in design.items() if (row[i], row[j]) == (a, b)]
        rows = []
        for seed in seeds:
            values = [cells[name].value(seed, shares.response) for name in names]
            known = [value.mean(keepdims=True) for value in values if value is not None]
            is_whole = len(known) == len(names)
            rows.append(np.asarray(np.mean(known, axis=0)) if is_whole else None)
        effect = mean_over_seeds(rows)
        if effect is not None:
            means[a, b] = effect
    levels = {
        shares.factors[k]: tuple(
            next(
                level_text(cells[name].levels.get(shares.factors[k]))
                for name, row in design.items()
                if row[k] == sign
            )
            for sign in (-1, 1)
        )
        for k in (i, j)
    }
    return Interaction(shares, found, levels, means)


def interaction_plot(interaction: Interaction) -> Plot:
    """Return the plot of a two-way interaction."""
    shares, response = interaction.shares, interaction.shares.response
    first, second = (shares.factors[i] for i in interaction.found.factors)
    names = interaction.levels
    lines = [
        _mean_series(
            f"{second} {names[second][sign > 0]}",
            style,
            response,
            [(float(s > 0) + ASIDE * sign, interaction.means.get((s, sign))) for s in (-1, 1)],
        )
        for sign, style in ((-1, "c0"), (1, "c1"))
    ]
    x = SMALL.x([-0.35, 1.35])
    y = SMALL.y([h for line in lines for h in line.heights], log=response.kind == "log")
    ticks = tuple(Tick(x.at(i), names[first][i]) for i in (0, 1))
    key = f"interaction-{shares.block}-{response.key}-{first}-{second}".replace(" ", "-")
    effect = interaction.found
    return Plot(
        key=key,
        title=f"{response.symbol}: {first} and {second}, block {shares.block}",
        caption=f"Interaction: {100 * effect.share:.1f} % of the sum of squares, permutation p "
        f"{effect.p:.2g}.",
        drawing=SMALL.draw(x, y, (first, _axis_label(response)), lines, x_ticks=ticks),
        table=Table(
            (first.capitalize(), second.capitalize(), response.symbol, "low", "high", "seeds"),
            tuple(
                (names[first][a > 0], names[second][b > 0], *_effect_cells(response, mean))
                for (a, b), mean in interaction.means.items()
            ),
        ),
    )
