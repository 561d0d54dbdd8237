"""Templates that escape everything, and show what would hide."""

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from conebench.record.quantities import UNDEFINED
from conebench.site.html.markup import shapes, swatch, table_rows
from conebench.site.html.visible import visible

TEMPLATES = Path(__file__).parents[1] / "templates"
# The pages beside the board: file and label.
PAGES = (
    ("compare", "Compare"),
    ("factors", "Factors"),
    ("data", "Data"),
    ("docs/method", "Method"),
    ("docs/index", "Docs"),
)


def _shown(value: object) -> object:
    """Every text that a template prints passes here; Markup is a template's own output."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value


@functools.cache
def environment() -> Environment:
    """The one environment of all pages."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.globals |= {"PAGES": PAGES, "UNDEFINED": UNDEFINED}
    made.globals |= {"shapes": shapes, "swatch": swatch, "table_rows": table_rows}
    return made
