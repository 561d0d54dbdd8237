"""Templates that escape all text."""

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from conebench.record.quantities import UNDEFINED
from conebench.site.html.markup import shapes, swatch, table_rows
from conebench.site.html.visible import visible

TEMPLATES = Path(__file__).parents[1] / "templates"
# Pages of the header: file and label.
PAGES = (
    ("compare", "Compare"),
    ("findings", "Findings"),
    ("data", "Data"),
    ("docs/method", "Method"),
    ("docs/index", "Docs"),
)


def _reveal(value: object) -> object:
    """Write out hidden characters, except in a template's own output."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value


def render_template(template: str, **values: object) -> str:
    """Return the page of a template."""
    return environment().get_template(template).render(values)


@functools.cache
def environment() -> Environment:
    """Return the environment of all pages."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_reveal,
    )
    templates.globals |= {"PAGES": PAGES, "UNDEFINED": UNDEFINED}
    templates.globals |= {"shapes": shapes, "swatch": swatch, "table_rows": table_rows}
    return templates
