"""Shapes of a drawing and rows of a table, as markup.

Templates take several times as long for these, and every plot is written twice: in its page and in
a file of its own.
"""

import functools
import re
from collections.abc import Iterable, Iterator
from html import escape

from markupsafe import Markup

from conebench.site.charts.drawing import Drawing, Key
from conebench.site.charts.table import Table
from conebench.site.html.visible import visible

# Most cells look like this and need no escaping.
PLAIN = re.compile(r"[0-9A-Za-z .,:+\-–°]*")


def table_rows(table: Table, text_columns: Iterable[int] = ()) -> Markup:
    """Write rows of a table; `text_columns` are aligned as text."""
    marks = [' class="text"' if i in text_columns else "" for i in range(len(table.head))]
    rows = (
        f'<tr>\n<th scope="row"{marks[0]}>{_escaped(row[0])}</th>\n'
        + "".join(
            f"<td{mark}>{_escaped(cell)}</td>\n"
            for mark, cell in zip(marks[1:], row[1:], strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    return Markup("\n".join(rows))  # noqa: S704  # every cell was escaped


@functools.lru_cache(maxsize=128)
def shapes(drawing: Drawing) -> Markup:
    """Write all shapes of a drawing."""
    parts = [
        *_path_tags(drawing),
        *_axis_tags(drawing),
        *_segment_tags(drawing),
        *_dot_tags(drawing),
    ]
    return Markup("\n".join(parts))  # noqa: S704  # numbers, our own classes, escaped labels


def swatch(key: Key) -> Markup:
    """Write the mark of an entry of the legend."""
    shapes_of = {
        "line": f'<path class="line {key.style}" d="M0 6H24"/>',
        "dot": f'<circle class="dot {key.style}" cx="12" cy="6" r="4"/>',
        "cell": f'<path class="{key.style}" d="M0 0H24V12H0z"/>',
    }
    mark = f'<svg class="swatch" viewBox="0 0 24 12" aria-hidden="true">{shapes_of[key.mark]}</svg>'
    return Markup(mark)  # noqa: S704  # our own classes


def _escaped(text: str) -> str:
    if PLAIN.fullmatch(text):
        return text
    return escape(visible(text))


def _path_tags(d: Drawing) -> Iterator[str]:
    for path in d.paths:
        style = path.style if path.style.startswith("cell") else f"line {path.style}"
        yield f'<path class="{style}" d="{path.data}"/>'


def _axis_tags(d: Drawing) -> Iterator[str]:
    left, top, width, height = d.frame
    bottom = top + height
    yield f'<rect class="frame" x="{left}" y="{top}" width="{width}" height="{height}"/>'
    for tick in d.x_ticks:
        yield f'<path class="tick" d="M{tick.at} {bottom}v5"/>'
        yield _label_tag("middle", tick.at, bottom + 19, tick.label)
    for tick in d.y_ticks:
        yield f'<path class="tick" d="M{left} {tick.at}h-5"/>'
        yield _label_tag("end", left - 8, tick.at + 4, tick.label)
    yield _label_tag("middle", left + width / 2, d.height - 10, d.x_label)
    turned = f"translate(14 {top + height / 2}) rotate(-90)"
    yield f'<text class="label middle" transform="{turned}">{_escaped(d.y_label)}</text>'


def _label_tag(anchor: str, x: float, y: float, text: str) -> str:
    return f'<text class="label {anchor}" x="{x}" y="{y}">{_escaped(text)}</text>'


def _segment_tags(d: Drawing) -> Iterator[str]:
    for s in d.segments:
        yield f'<path class="line {s.style}" d="M{s.x1} {s.y1}L{s.x2} {s.y2}"/>'


def _dot_tags(d: Drawing) -> Iterator[str]:
    for dot in d.dots:
        yield f'<circle class="dot {dot.style}" cx="{dot.x}" cy="{dot.y}" r="4"/>'
