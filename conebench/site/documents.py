"""The documentation as pages: docs/*.md, CONTRIBUTING.md and SECURITY.md."""

import functools
import itertools
import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markupsafe import Markup

from conebench.site.html.mathml import formula, inline_formula

HERE = Path(__file__).parent
# A wheel has all files in one folder; a checkout has two.
IN_WHEEL, IN_CHECKOUT = HERE / "docs", HERE.parents[1]
FOR_CONTRIBUTORS = ("CONTRIBUTING.md", "SECURITY.md")
# The order of pages; others come between both parts.
FIRST = (
    *("install", "quick-start", "tutorial", "running", "own", "cluster", "cli"),
    *("specs", "records", "api", "method", "study"),
)
LAST = ("performance", "model-support", "architecture", "versions", "contributing", "security")
# Pages whose indented blocks are formulas, and text between $ and $; elsewhere blocks are code.
WITH_FORMULAS = ("method",)
NO_SLUG = re.compile(r"[^\w\- ]")
SENTENCE_END = re.compile(r"(?<=\.)\s")


@dataclass(frozen=True)
class Document:
    """One page of the documentation."""

    name: str
    title: str
    # For the list of pages.
    summary: str
    # Ids and titles of the headings of level 2.
    sections: tuple[tuple[str, str], ...]
    text: Markup
    # Id, title and plain text of each part, for the search.
    parts: tuple[tuple[str, str, str], ...] = ()


def document_files() -> list[Path]:
    """Return the Markdown files in order."""
    files = list(IN_WHEEL.glob("*.md")) or [
        *(IN_CHECKOUT / "docs").glob("*.md"),
        *(IN_CHECKOUT / ".github" / name for name in FOR_CONTRIBUTORS),
    ]
    return sorted(files, key=_reading_order)


def attachments() -> list[Path]:
    """Return the pictures that pages show, and the notebook."""
    folder = IN_WHEEL if IN_WHEEL.is_dir() else IN_CHECKOUT / "docs"
    return sorted([*folder.glob("*.png"), *folder.glob("*.ipynb")])


@functools.cache
def documents() -> tuple[Document, ...]:
    """Return all pages."""
    files = document_files()
    names = [file.stem.lower() for file in files]
    known = {*names, *(file.name for file in attachments())}
    return tuple(
        render(name, file.read_text("utf-8"), known)
        for name, file in zip(names, files, strict=True)
    )


def render(name: str, source: str, known: Collection[str]) -> Document:
    """Render Markdown as a page.

    Links may lead to `known` pages and files, within the page, or to https addresses; others
    become plain words. Markup in the source is shown as text.
    """
    # No raw HTML: what looks like markup is text.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    if name in WITH_FORMULAS:
        markdown.inline.ruler.before("escape", "formula", _read_formula)
        markdown.add_render_rule("formula", _write_formula)
    tokens = markdown.parse(source)
    for token in tokens:
        token.attrs.pop("style", None)  # alignment, which the content policy forbids here
        if token.children:
            token.children = list(_with_site_links(token.children, known))
    parts = _parts(tokens)
    sections = _mark_headings(tokens)
    parts = tuple(
        (slug, title, text)
        for (slug, _), (_, title, text) in zip([("", ""), *sections], parts, strict=True)
    )
    if name in WITH_FORMULAS:
        tokens = [_with_formula(token) for token in tokens]
    html = markdown.renderer.render(tokens, markdown.options, {})
    title, summary = _first_words(tokens, "heading_open"), _summary(tokens)
    return Document(name, title, summary, sections, _scrollable(html), parts)


def search_script() -> str:
    """Return a script with the text of all pages."""
    found = [[page.name, *part] for page in documents() for part in page.parts]
    data = json.dumps(found, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")
    return f"window.manual = {data};\n"


def _read_formula(state: StateInline, silent: bool) -> bool:
    """Read text between two dollars as a formula."""
    end = state.src.find("$", state.pos + 1) if state.src[state.pos] == "$" else -1
    if end < 0:
        return False
    if not silent:
        state.push("formula", "math", 0).content = state.src[state.pos + 1 : end]
    state.pos = end + 1
    return True


def _write_formula(_: object, tokens: Sequence[Token], at: int, *_options: object) -> str:
    return inline_formula(tokens[at].content)


def _with_formula(token: Token) -> Token:
    """Write an indented block as MathML."""
    if token.type != "code_block":
        return token
    return Token("html_block", "", 0, content=f"{formula(token.content)}\n")


def _parts(tokens: Sequence[Token]) -> tuple[tuple[str, str, str], ...]:
    """Return title and plain text of each section."""
    parts: list[tuple[str, str, list[str]]] = [("", _first_words(tokens, "heading_open"), [])]
    for before, token in itertools.pairwise(tokens):
        if before.type == "heading_open" and before.tag == "h2":
            parts.append(("", _words(token), []))
        elif token.type in ("inline", "fence", "code_block"):
            parts[-1][2].append(_words(token) if token.children else token.content)
    return tuple((slug, title, " ".join(" ".join(texts).split())) for slug, title, texts in parts)


def _reading_order(file: Path) -> tuple[int, str]:
    name = file.stem.lower()
    if name in LAST:
        return len(FIRST) + 1 + LAST.index(name), name
    return FIRST.index(name) if name in FIRST else len(FIRST), name


def _with_site_links(tokens: Sequence[Token], known: Collection[str]) -> Iterator[Token]:
    """Point links to pages of the site, and drop others."""
    dead = False
    for token in tokens:
        if token.type == "link_open":
            target = _target(str(token.attrGet("href")), known)
            dead = target is None
            token.attrSet("href", target or "")
        # A picture that the site lacks leaves its words.
        if token.type == "image" and token.attrGet("src") not in known:
            yield from token.children or ()
        elif not (dead and token.type in ("link_open", "link_close")):
            yield token


def _target(link: str, known: Collection[str]) -> str | None:
    if link.startswith(("#", "https://")):
        return link
    path, mark, section = link.partition("#")
    if path.endswith(".ipynb") and path in known:
        return path
    name = PurePosixPath(path).stem.lower()
    return f"{name}.html{mark}{section}" if path.endswith(".md") and name in known else None


def _mark_headings(tokens: Sequence[Token]) -> tuple[tuple[str, str], ...]:
    """Give headings ids and links. Return those of level 2."""
    taken: dict[str, int] = {}
    sections = []
    for i, token in enumerate(tokens):
        if token.type != "heading_open":
            continue
        inline = tokens[i + 1]
        slug = NO_SLUG.sub("", inline.content.lower()).replace(" ", "-")
        taken[slug] = taken.get(slug, -1) + 1
        slug += f"-{taken[slug]}" if taken[slug] else ""
        token.attrSet("id", slug)
        if token.tag == "h2":
            sections.append((slug, _words(inline)))
        if token.tag != "h1":
            link = Token("link_open", "a", 1, attrs={"href": f"#{slug}"})
            inline.children = [link, *(inline.children or ()), Token("link_close", "a", -1)]
    return tuple(sections)


def _first_words(tokens: Sequence[Token], kind: str) -> str:
    """Return the words of the first heading or paragraph."""
    texts = (_words(tokens[i + 1]) for i, token in enumerate(tokens) if token.type == kind)
    return next(texts, "")


def _summary(tokens: Sequence[Token]) -> str:
    """Return the first sentence."""
    return SENTENCE_END.split(_first_words(tokens, "paragraph_open"), maxsplit=1)[0]


def _words(inline: Token) -> str:
    """Return a heading or paragraph as plain text."""
    return "".join(
        " " if token.type in ("softbreak", "hardbreak") else token.content
        for token in inline.children or ()
    )


def _scrollable(html: str) -> Markup:
    """Put tables and code into regions that scroll."""
    region = '<div class="scroll" tabindex="0" role="region" aria-label="Table {}">'
    parts = html.replace("<pre>", '<pre tabindex="0">').split("<table>")
    opened = "".join(region.format(i) + "<table>" + p for i, p in enumerate(parts[1:], start=1))
    return Markup(parts[0] + opened.replace("</table>", "</table></div>"))  # noqa: S704  # our own
