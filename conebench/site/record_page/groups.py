"""Cones by group of parameters, on a record's page."""

from dataclasses import dataclass

from conebench.analysis.distance import distances
from conebench.record import GroupTrajectory, Record, SeedResult
from conebench.record.quantities import (
    degrees,
    distance,
    optional,
    two_decimals,
    whole,
)
from conebench.site.charts.drawing import Series, draw, horizontal, vertical
from conebench.site.charts.plot import MAX_COLORS, Plot, evenly, thinned
from conebench.site.charts.table import Table, table_of
from conebench.site.record_page.plots import curve_series, curves_table
from conebench.site.record_page.views import mean_text


@dataclass(frozen=True)
class GroupsSection:
    """Table and plot of a record's groups."""

    table: Table
    plot: Plot


def groups_section(record: Record) -> GroupsSection | None:
    """Return table and plot of the groups, if measured."""
    if record.spec.kernel.by is None:
        return None
    return GroupsSection(_groups_table(record), _groups_plot(record.seeds[0]))


def _groups_table(record: Record) -> Table:
    """Return one row per group, in network order."""
    groups = enumerate(record.seeds[0].kernel.groups or [])
    rows = [_group_cells(record, index, group) for index, group in groups]
    return table_of(rows, " ".join(zero for seed in record.seeds if (zero := _zero_kernels(seed))))


def _group_cells(record: Record, index: int, group: GroupTrajectory) -> dict[str, str]:
    geometries = [seed.groups[index] for seed in record.seeds if seed.groups]
    starts = [geometry.phases.T_star if geometry.phases else None for geometry in geometries]
    windows = [geometry.window for geometry in geometries if geometry.window]
    return {
        "Group": group.name,
        "Parameters": f"{group.parameters:,}",
        "T*": mean_text(whole, starts),
        "T* of each seed": ", ".join(optional(whole, T_star) for T_star in starts),
        "Turn": mean_text(degrees, [window.turn_deg for window in windows]),
        "Cone angle": mean_text(degrees, [window.cone_deg for window in windows]),
        "N": mean_text(two_decimals, [window.N for window in windows]),
        "α": mean_text(two_decimals, [window.alpha for window in windows]),
        "Floor": mean_text(distance, [window.floor for window in windows]),
    }


def _zero_kernels(seed: SeedResult) -> str:
    """Name groups whose kernels are zero at some time."""
    parts = []
    for group in seed.kernel.groups or []:
        if not group.steps:
            parts.append(f"{group.name} is zero at the end")
        elif group.steps[0] > 0:
            parts.append(f"{group.name} is zero before step {whole(group.steps[0])}")
    return f"Kernels of seed {seed.seed}: {', '.join(parts)}." if parts else ""


def _groups_plot(seed: SeedResult) -> Plot:
    pairs = zip(seed.kernel.groups or [], seed.groups or [], strict=True)
    measured = [(group, geometry.phases) for group, geometry in pairs if group.steps]
    drawn = [measured[i] for i in evenly(len(measured), MAX_COLORS)]
    # S to the last checkpoint, by step, for each group.
    curves = {
        group.name: dict(zip(group.steps, distances(group.G())[-1].tolist(), strict=True))
        for group, _ in drawn
    }
    series = curve_series(curves)
    for i, (group, phases) in enumerate(drawn):
        if phases and phases.T_star is not None:
            dot = (phases.T_star, curves[group.name][phases.T_star])
            series.append(Series("T*", f"c{i}", [dot], joined=False, dots=True, quiet=True))
    steps = sorted({step for curve in curves.values() for step in curve})
    return Plot(
        key="layers",
        title="Kernel distance S to the last checkpoint, by group",
        caption=f"S between the trace kernel of a group at each checkpoint and at the last one, "
        f"for seed {seed.seed}, {thinned(len(drawn), len(measured), 'groups')}; dots mark T*. "
        "The axis is logarithmic, so the last checkpoint itself, at 0, is left out.",
        drawing=draw(
            horizontal(steps),
            vertical((S for curve in curves.values() for S in curve.values()), log=True),
            ("step", "S to the last checkpoint"),
            series,
        ),
        table=curves_table(steps, curves, distance),
    )
