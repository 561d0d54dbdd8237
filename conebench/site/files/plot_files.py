"""A plot as files of its own: an SVG that needs no page, and the table behind it as CSV."""

import functools
import re
from pathlib import Path

from markupsafe import Markup

from conebench.site.board.download import table_csv
from conebench.site.charts.plot import Plot
from conebench.site.html.environment import environment

ASSETS = Path(__file__).parents[1] / "assets"
LEGEND_LINE = 20
COLOR = re.compile(r"--([a-z0-9]+): (#[0-9a-f]+);")
USE = re.compile(r"var\(--([a-z0-9]+)\)")


def svg_file(plot: Plot) -> str:
    """The drawing with its legend below, in the colors of a light page, styles inside."""
    style, back = _style()
    height = plot.drawing.height + LEGEND_LINE * len(plot.drawing.legend)
    return (
        environment()
        .get_template("plot.svg.j2")
        .render(item=plot, style=Markup(style), back=back, height=height)  # noqa: S704  # our own file
    )


def csv_file(plot: Plot) -> str:
    """The table behind the plot."""
    return table_csv(plot.table)


@functools.cache
def _style() -> tuple[str, str]:
    """The rules of shapes with every color written out, and the background.

    Programs that draw for print know no variables.
    """
    page = (ASSETS / "site.css").read_text("utf-8")
    light = page[: page.index("@media")]
    colors = dict(COLOR.findall(light))
    rules = (ASSETS / "plot.css").read_text("utf-8").replace("currentColor", "var(--text)")
    return USE.sub(lambda use: colors[use[1]], rules), colors["back"]
