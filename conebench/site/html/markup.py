"""Shapes of a drawing and rows of a table, as markup.

Templates take several times as long for these.
"""

import re
from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby
from operator import attrgetter

from markupsafe import Markup

from conebench.site.charts.drawing import Drawing, Key
from conebench.site.charts.table import Table
from conebench.site.html.visible import visible

# Most cells look like this and need no escaping.
PLAIN = re.compile(r"[0-9A-Za-z .,:+\-–°]*")


def table_rows(table: Table, text_columns: Iterable[int] = ()) -> Markup:
    """Write rows; `text_columns` are aligned as text."""
    marks = [' class="text"' if i in text_columns else "" for i in range(len(table.head))]
    rows = (
        f"<tr><th{marks[0]}>{_escaped(row[0])}</th>"
        + "".join(
            f"<td{mark}>{_escaped(cell)}</td>"
            for mark, cell in zip(marks[1:], row[1:], strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    return Markup("\n".join(rows))  # noqa: S704  # every cell was escaped


def shapes(drawing: Drawing) -> Markup:
    """Write all shapes of a drawing."""
    parts = [
        *_band_tags(drawing),
        *_path_tags(drawing),
        *_axis_tags(drawing),
        *_segment_tags(drawing),
        *_dot_tags(drawing),
        *_name_tags(drawing),
    ]
    return Markup("\n".join(parts))  # noqa: S704  # numbers, our own classes, escaped labels


def key_mark(key: Key) -> str:
    """Write the mark of an entry of the legend."""
    if key.mark == "line":
        return f'<path class="line {key.style}" d="M0 6H24"/>'
    if key.mark == "dot":
        return f'<circle class="dot {key.style}" cx="12" cy="6" r="4"/>'
    return f'<path class="{key.style}" d="M0 0H24V12H0z"/>'


def swatch(key: Key) -> Markup:
    """Write the picture of a legend's entry."""
    return Markup(  # noqa: S704  # our own classes
        f'<svg class="swatch" viewBox="0 0 24 12" aria-hidden="true">{key_mark(key)}</svg>'
    )


def _escaped(text: str) -> str:
    if PLAIN.fullmatch(text):
        return text
    return escape(visible(text))


def _band_tags(d: Drawing) -> Iterator[str]:
    _, top, _, height = d.frame
    for band in d.bands if d.x else ():
        left, right = d.x.at(band.low), d.x.at(band.high)  # type: ignore[union-attr]
        yield (
            f'<rect class="band {band.style}" x="{left:g}" y="{top}" '
            f'width="{right - left:g}" height="{height}"/>'
        )


def _path_tags(d: Drawing) -> Iterator[str]:
    for path in d.paths:
        style = path.style if path.style.startswith(("cell", "cone")) else f"line {path.style}"
        yield f'<path class="{style}" d="{path.data}"/>'


def _axis_tags(d: Drawing) -> Iterator[str]:
    left, top, width, height = d.frame
    # A path in space has no axes.
    if not width:
        return
    bottom = top + height
    marks = "".join(f"M{tick.at:g} {bottom}v5" for tick in d.x_ticks)
    marks += "".join(f"M{left} {tick.at:g}h-5" for tick in d.y_ticks)
    yield f'<path class="tick" d="M{left} {top}H{left + width:g}V{bottom}H{left}z{marks}"/>'
    yield '<g class="label middle">'
    for tick in d.x_ticks:
        yield f'<text x="{tick.at:g}" y="{bottom + 19}">{_escaped(tick.label)}</text>'
    yield f'<text x="{left + width / 2:g}" y="{d.height - 10}">{_escaped(d.x_label)}</text>'
    turned = f"translate(14 {top + height / 2:g}) rotate(-90)"
    yield f'<text transform="{turned}">{_escaped(d.y_label)}</text>'
    yield '</g><g class="label end">'
    for tick in d.y_ticks:
        yield f'<text x="{left - 8}" y="{tick.at + 4:g}">{_escaped(tick.label)}</text>'
    yield "</g>"


def _name_tags(d: Drawing) -> Iterator[str]:
    for name in d.names:
        yield (
            f'<text class="name {name.style}" x="{name.x:g}" y="{name.y:g}">'
            f"{_escaped(name.text)}</text>"
        )


def _segment_tags(d: Drawing) -> Iterator[str]:
    for s in d.segments:
        yield f'<path class="line {s.style}" d="M{s.x1:g} {s.y1:g}L{s.x2:g} {s.y2:g}"/>'


def _dot_tags(d: Drawing) -> Iterator[str]:
    for style, dots in groupby(d.dots, attrgetter("style")):
        marks = "".join(f'<circle cx="{dot.x:g}" cy="{dot.y:g}" r="4"/>' for dot in dots)
        yield f'<g class="dot {style}">{marks}</g>'
