"""The method page's text, from docs/method.md."""

import re
from collections.abc import Sequence
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

HERE = Path(__file__).parent
# Where a wheel has it, and in the checkout.
PLACES = (HERE / "method.md", HERE.parents[1] / "docs" / "method.md")
NO_WORD = re.compile(r"[^a-z0-9]+")


def method_text() -> Markup:
    """docs/method.md as HTML: headings with ids, tables in regions that scroll.

    Markup inside it is shown as text, and links to files that the site has not are no links.
    """
    source = next(place for place in PLACES if place.is_file()).read_text("utf-8")
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(source)
    for i, token in enumerate(tokens):
        token.attrs.pop("style", None)  # alignment, which the content policy forbids here
        if token.type == "heading_open":
            token.attrSet("id", NO_WORD.sub("-", tokens[i + 1].content.lower()).strip("-"))
        if token.children:
            token.children = _without_dead_links(token.children)
    html = markdown.renderer.render(tokens, markdown.options, {})
    region = '<div class="scroll" tabindex="0" role="region" aria-label="Table {}">'
    parts = html.split("<table>")
    opened = "".join(region.format(i) + "<table>" + p for i, p in enumerate(parts[1:], start=1))
    return Markup(parts[0] + opened.replace("</table>", "</table></div>"))  # noqa: S704  # our own


def _without_dead_links(tokens: Sequence[Token]) -> list[Token]:
    kept, dead = [], False
    for token in tokens:
        if token.type == "link_open":
            dead = not str(token.attrGet("href")).startswith(("#", "https://"))
        if not (dead and token.type in ("link_open", "link_close")):
            kept.append(token)
    return kept
