"""A plot as an SVG of its own, for notebooks and files."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from markupsafe import escape

from conebench.site.charts.plot import Plot
from conebench.site.html.markup import key_mark, shapes
from conebench.site.html.visible import visible

ASSETS = Path(__file__).parents[1] / "assets"
LEGEND_LINE = 20
COLOR = re.compile(r"--([a-z0-9]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\);")
USE = re.compile(r"var\(--([a-z0-9]+)\)")


@dataclass(frozen=True, repr=False)
class Picture:
    """A plot that a notebook shows."""

    plot: Plot

    def __repr__(self) -> str:
        # Notebooks store it next to the SVG.
        return f"<Picture of {self.plot.title!r}>"

    def _repr_svg_(self) -> str:
        return self.svg()

    def svg(self) -> str:
        """Return drawing and legend as SVG."""
        drawing = self.plot.drawing
        width, height = drawing.width, drawing.height + LEGEND_LINE * len(drawing.legend)
        rules, back = _rules_and_back()
        legend = "".join(
            f'<g transform="translate(80 {drawing.height + LEGEND_LINE * i})">{key_mark(key)}'
            f'<text class="label" x="32" y="10">{escape(visible(key.name))}</text></g>'
            for i, key in enumerate(drawing.legend)
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img">'
            f"<title>{escape(visible(self.plot.title))}</title>"
            f"<desc>{escape(visible(self.plot.caption))}</desc><style>{rules}</style>"
            f'<rect width="100%" height="100%" fill="{back}"/>{shapes(drawing)}{legend}</svg>\n'
        )


@functools.cache
def _rules_and_back() -> tuple[str, str]:
    """Return the CSS rules of shapes, and the background."""
    # Programs that draw for print know no CSS variables.
    colors = {name: light for name, light, _ in COLOR.findall(_text("site.css"))}
    rules = _text("plot.css").replace("currentColor", "var(--text)")
    return USE.sub(lambda use: colors[use[1]], rules), colors["back"]


def _text(name: str) -> str:
    return (ASSETS / name).read_text("utf-8")
