"""Templates that escape everything, and show what would hide."""

import functools
import unicodedata
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from conebench.site.quantities import UNDEFINED

TEMPLATES = Path(__file__).parent / "templates"
# The pages beside the board: file and label.
PAGES = (
    ("compare", "Compare"),
    ("factors", "Factors"),
    ("method", "Method"),
    ("data", "Data"),
)


def visible(text: str) -> str:
    """The text with control and direction characters written out, so that none can hide."""
    if text.isprintable():
        return text
    return "".join(f"\\u{ord(char):04x}" if _is_hidden(char) else char for char in text)


def _is_hidden(char: str) -> bool:
    return char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


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
    made.globals["PAGES"] = PAGES
    made.globals["UNDEFINED"] = UNDEFINED
    return made
