"""Pages as HTML, from templates that escape everything."""

import functools
import io
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from ruamel.yaml import YAML

from conebench.record import Record
from conebench.site.chaos import chaos_plots, chaos_table
from conebench.site.plots import plots_of
from conebench.site.quantities import BOARD, UNDEFINED
from conebench.site.rows import Group, Row, filters_of
from conebench.site.tables import arms_table, facts_table, figures_table, seeds_table
from conebench.spec import Spec

TEMPLATES = Path(__file__).parent / "templates"


def index_page(groups: Sequence[Group], skipped: Sequence[tuple[str, str]]) -> str:
    """The board; `skipped` are the records left out, each with the reason."""
    template = _environment().get_template("index.html.j2")
    return template.render(
        root="", groups=groups, skipped=skipped, quantities=BOARD, filters=filters_of(groups)
    )


def record_page(record: Record, row: Row) -> str:
    """The page of one record whose figures were recomputed."""
    template = _environment().get_template("record.html.j2")
    return template.render(
        root="../",
        record=record,
        row=row,
        figures=figures_table(record),
        seeds=seeds_table(record),
        arms=arms_table(record),
        facts=facts_table(record),
        chaos=chaos_table(record),
        plots=[*plots_of(record), *chaos_plots(record)],
        spec_text=spec_text(record.spec),
    )


def spec_text(spec: Spec) -> str:
    """The spec as YAML that `conebench run` accepts and that has the same hash."""
    data = spec.dump()
    # A resolved spec has its length in steps even where it was written in epochs.
    if data["training"]["epochs"] is not None:
        del data["training"]["steps"]
    text = io.StringIO()
    YAML().dump(data, text)
    return text.getvalue()


def visible(text: str) -> str:
    """The text with control and direction characters written out, so that none can hide."""
    return "".join(f"\\u{ord(char):04x}" if _is_hidden(char) else char for char in text)


def _is_hidden(char: str) -> bool:
    return char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _shown(value: object) -> object:
    """Every text that a template prints passes here; Markup is a template's own output."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.globals["UNDEFINED"] = UNDEFINED
    return environment
