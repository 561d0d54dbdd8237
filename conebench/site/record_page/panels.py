"""All plots of a record's page, by section, and single ones for notebooks."""

from dataclasses import dataclass

from conebench.record import Record, recompute
from conebench.site.charts.plot import Plot
from conebench.site.html.standalone import Picture
from conebench.site.record_page.averaged import averaged_plots
from conebench.site.record_page.chaos import chaos_plots
from conebench.site.record_page.groups import groups_section
from conebench.site.record_page.learning_rate import rate_plots
from conebench.site.record_page.of_seed import (
    distance_plot,
    path_plot,
    reference_plot,
    scale_plot,
)
from conebench.site.record_page.overview import (
    accuracy_plot,
    angle_plot,
    benefit_plot,
    curves_plot,
    lag_plot,
    switch_plot,
    velocity_plot,
)


@dataclass(frozen=True)
class Panel:
    """Plots under one heading."""

    title: str
    plots: tuple[Plot, ...]


def panels_of(record: Record) -> list[Panel]:
    """Return the plots of a record."""
    seed, groups = record.seeds[0], groups_section(record)
    found: dict[str, list[Plot | None]] = {
        "Path and accuracy": [path_plot(record, seed), angle_plot(record), accuracy_plot(record)],
        "Motion": [
            distance_plot(record, seed),
            velocity_plot(record),
            *rate_plots(record),
            lag_plot(record),
            *averaged_plots(record),
            reference_plot(record, seed),
        ],
        "Switching": [benefit_plot(record), switch_plot(record), curves_plot(record)],
        "Spectrum and groups" if groups else "Spectrum": [
            scale_plot(record, seed),
            groups.plot if groups else None,
        ],
        "Chaos probe": [*chaos_plots(record)],
    }
    panels = [Panel(name, tuple(p for p in plots if p)) for name, plots in found.items()]
    return [panel for panel in panels if panel.plots]


def plot(record: Record, name: str) -> Picture:
    """Return one plot, which a notebook shows.

    Args:
        record: A record; its figures are recomputed.
        name: Key of the plot, such as "path", "angle", "distance", "velocity" or "switch".

    Raises:
        KeyError: The record has no such plot; the message names those it has.

    """
    plots = {item.key: item for panel in panels_of(recompute(record)) for item in panel.plots}
    if name not in plots:
        raise KeyError(f"no plot {name!r}, expected one of: {', '.join(plots)}")
    return Picture(plots[name])
