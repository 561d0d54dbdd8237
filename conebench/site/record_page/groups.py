"""Cones by group of parameters: which layers settle first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from conebench.analysis.distance import distances
from conebench.record import GroupTrajectory, Record, SeedResult
from conebench.record.quantities import (
    UNDEFINED,
    degrees,
    distance,
    optional,
    two_decimals,
    whole,
)
from conebench.site.charts.drawing import Series, draw, horizontal, vertical
from conebench.site.charts.plot import MAX_COLORS, Plot, evenly, thinned
from conebench.site.charts.table import Table
from conebench.site.record_page.plots import curve_series, curves_table

HEAD = (
    "Group",
    "Parameters",
    "T*",
    "T* of each seed",
    "Half-angle",
    "Turn",
    "N",
    "Floor",
    "Seeds with a Phase II",
)


@dataclass(frozen=True)
class Layers:
    """What the page shows of a record's groups."""

    table: Table
    plot: Plot


def layers_of(record: Record) -> Layers | None:
    """The groups of a record, None where their kernels were not measured."""
    if record.spec.kernel.by is None:
        return None
    return Layers(_table(record), _plot(record.seeds[0]))


def _table(record: Record) -> Table:
    """One row a group, in the network's order: means over the seeds with a Phase II there."""
    groups = record.seeds[0].kernel.groups or []
    rows = tuple(_cells(record, index, group) for index, group in enumerate(groups))
    return Table(HEAD, rows, " ".join(late for seed in record.seeds if (late := _late(seed))))


def _cells(record: Record, index: int, group: GroupTrajectory) -> tuple[str, ...]:
    found = [seed.groups[index] for seed in record.seeds if seed.groups]
    starts = [geometry.phases.T_star if geometry.phases else None for geometry in found]
    cones = [geometry.cone for geometry in found if geometry.cone]
    floors = [geometry.phases.floor for geometry in found if geometry.cone and geometry.phases]
    return (
        group.name,
        f"{group.parameters:,}",
        _mean(whole, starts),
        ", ".join(optional(whole, T_star) for T_star in starts),
        _mean(degrees, [cone.half_angle_deg for cone in cones]),
        _mean(degrees, [cone.turn_deg for cone in cones]),
        _mean(two_decimals, [cone.N for cone in cones]),
        _mean(distance, floors),
        f"{len(cones)} of {len(found)}",
    )


def _mean(write: Callable[[float], str], values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return write(float(np.mean(known))) if known else UNDEFINED


def _late(seed: SeedResult) -> str:
    """Which groups' kernels are zero at first, or at the end."""
    parts = []
    for group in seed.kernel.groups or []:
        if not group.steps:
            parts.append(f"that of {group.name} is zero at the end")
        elif group.steps[0] > 0:
            parts.append(f"that of {group.name} is zero before step {whole(group.steps[0])}")
    return f"Kernels of seed {seed.seed}: {', '.join(parts)}." if parts else ""


def _plot(seed: SeedResult) -> Plot:
    pairs = zip(seed.kernel.groups or [], seed.groups or [], strict=True)
    measured = [(group, found.phases) for group, found in pairs if group.steps]
    drawn = [measured[i] for i in evenly(len(measured), MAX_COLORS)]
    # S to the last checkpoint, by step.
    curves = {
        group.name: dict(zip(group.steps, distances(group.G())[-1].tolist(), strict=True))
        for group, _ in drawn
    }
    series = curve_series(curves)
    for i, (group, phases) in enumerate(drawn):
        if phases and phases.T_star is not None:
            dot = (phases.T_star, curves[group.name][phases.T_star])
            series.append(Series("T*", f"c{i}", [dot], joined=False, dots=True))
    steps = sorted({step for curve in curves.values() for step in curve})
    return Plot(
        key="layers",
        title="Kernel distance S to the last checkpoint, by group",
        caption=f"S between the trace kernel of a group at each checkpoint and at the last one, "
        f"for seed {seed.seed}, {thinned(len(drawn), len(measured), 'groups')}; dots mark T*. "
        "The axis is logarithmic: the last checkpoint itself, at 0, is left out.",
        drawing=draw(
            horizontal(steps),
            vertical((S for curve in curves.values() for S in curve.values()), log=True),
            ("step", "S to the last checkpoint"),
            series,
        ),
        table=curves_table(steps, curves, distance),
    )
