"""Templates that escape all text."""

import functools
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from conebench.record.quantities import QUANTITIES, UNDEFINED
from conebench.site.html.glyphs import accuracy_bar, cone_glyph, interval_bar
from conebench.site.html.markup import shapes, swatch, table_rows
from conebench.site.html.visible import visible
from conebench.text import of_one

TEMPLATES = Path(__file__).parents[1] / "templates"
# Pages of the header: file and label.
PAGES = (
    ("index", "Board"),
    ("compare", "Compare"),
    ("findings", "Findings"),
    ("docs/method", "Method"),
    ("docs/index", "Docs"),
    ("data", "Data"),
)
# Sections of docs/method.md by figure.
ANCHORS = {
    "CES": "strength-and-rank",
    **dict.fromkeys(("turn_deg", "cone_deg", "cone_95_deg", "N", "alpha"), "late-window"),
    **dict.fromkeys(("VR", "motion", "drift"), "late-window"),
    **dict.fromkeys(
        ("benefit", "loss_benefit", "kernel_benefit", "lazy_gap", "Gamma"),
        "what-non-linear-training-in-the-window-is-worth",
    ),
    **dict.fromkeys(("A_full", "A_lazy", "A_switched"), "arms"),
    **dict.fromkeys(("T_star", "change_point", "T_fit"), "t-and-outcomes"),
}
# What heads of the board explain: id, title, text and figures.
EXPLAINED = (
    (
        "strength",
        "Strength",
        "how narrow the cone is and how well the kernel stays in it. CES is cut at 0 where α is "
        "above 1, and at 100.",
        ("CES",),
    ),
    (
        "cone",
        "Cone",
        "the dashed ray is the first kernel, the solid one the axis of the cone that later "
        "kernels lie in. All are measured from step w on, the start of the late window.",
        ("turn_deg", "cone_deg", "N", "alpha"),
    ),
    (
        "motion",
        "Motion",
        "S between neighboring checkpoints of the first seed on a logarithmic axis; w is dashed. "
        "A level line is a kernel that keeps moving.",
        ("motion",),
    ),
    (
        "accuracy",
        "Test accuracy",
        "lazy is training linearized from step 0, the blue dot training linearized from w on, "
        "full ordinary training. Both ends are in percent; orange is what non-linear training "
        "after w adds.",
        ("benefit", "A_lazy", "A_switched", "A_full"),
    ),
)


def repository_url() -> str:
    """Return the address of the code, from [project.urls] of pyproject.toml; empty without one.

    Pages link to the code and to pull requests only if there is an address.
    """
    try:
        urls = metadata("conebench").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    named: dict[str, str] = dict(url.split(", ", 1) for url in urls)
    return named.get("Repository", "")


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
    # For plots' data, which are a sixth of a record's page.
    templates.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":")}
    templates.filters["of_one"] = of_one
    templates.globals |= {"PAGES": PAGES, "UNDEFINED": UNDEFINED, "REPOSITORY": repository_url()}
    templates.globals |= {"Q": {q.field: q for q in QUANTITIES}}
    templates.globals |= {"ANCHORS": ANCHORS, "EXPLAINED": EXPLAINED}
    templates.globals |= {"accuracy_bar": accuracy_bar, "cone_glyph": cone_glyph}
    templates.globals |= {"interval_bar": interval_bar}
    templates.globals |= {"shapes": shapes, "swatch": swatch, "table_rows": table_rows}
    return templates
