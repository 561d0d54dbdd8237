"""Plots as files of their own: SVG and CSV."""

import functools
import re
from pathlib import Path

from markupsafe import Markup

from conebench.site.board.download import table_csv
from conebench.site.charts.plot import Plot
from conebench.site.html.environment import render_template

ASSETS = Path(__file__).parents[1] / "assets"
LEGEND_LINE = 20
COLOR = re.compile(r"--([a-z0-9]+): (#[0-9a-f]+);")
USE = re.compile(r"var\(--([a-z0-9]+)\)")


def svg_file(plot: Plot) -> str:
    """Write the drawing with its legend, for a light page."""
    rules, back = _rules_and_back()
    height = plot.drawing.height + LEGEND_LINE * len(plot.drawing.legend)
    style = Markup(rules)  # noqa: S704  # our own file
    return render_template("plot.svg.j2", item=plot, style=style, back=back, height=height)


def csv_file(plot: Plot) -> str:
    """Write the table behind the plot."""
    return table_csv(plot.table)


@functools.cache
def _rules_and_back() -> tuple[str, str]:
    """Return the CSS rules of shapes, and the background."""
    # Programs that draw for print know no CSS variables.
    page = (ASSETS / "site.css").read_text("utf-8")
    light = page[: page.index("@media")]
    colors = dict(COLOR.findall(light))
    rules = (ASSETS / "plot.css").read_text("utf-8").replace("currentColor", "var(--text)")
    return USE.sub(lambda use: colors[use[1]], rules), colors["back"]
