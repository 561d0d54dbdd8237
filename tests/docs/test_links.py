"""Links of the Markdown files and of the whole site: every one leads somewhere.

Addresses of others are listed here, for they are not asked.
"""

import re
from functools import cache
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from parsed_pages import Page
from synthetic import make_record

from conebench.record import record_text
from conebench.site import build_site
from conebench.site.documents import render

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    + [path for folder in (".github", "conebench") for path in (ROOT / folder).rglob("*.md")]
)
# Code, and what stands behind the words of a link.
MARKED = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)", re.DOTALL)
OTHERS = {
    "https://arxiv.org/abs/2010.15110",
    "https://arxiv.org/abs/2206.08720",
    "https://arxiv.org/abs/2503.16316",
    "https://arxiv.org/abs/2505.13900",
    "https://arxiv.org/abs/2506.13234",
    "https://cli.github.com",
    "https://doi.org/10.24432/C50P49",
    "https://github.com/facebookincubator/submitit",
    "https://github.com/huggingface/pytorch-image-models",
}


@cache
def links_of(source: Path) -> tuple[str, ...]:
    """Targets of links and pictures in a Markdown file."""
    tokens = MarkdownIt("commonmark").enable("table").parse(source.read_text("utf-8"))
    inner = [child for token in tokens for child in token.children or ()]
    return tuple(str(t.attrs.get("href") or t.attrs["src"]) for t in inner if t.attrs)


@cache
def ids_of(page: Path) -> frozenset[str]:
    """Where links into a file may lead."""
    text = page.read_text("utf-8")
    ids = Page(render("x", text, ()).text if page.suffix == ".md" else text).ids
    # Scripts of the board and of comparisons read these after the "#".
    tabs = (f"tab={quote(name)}" for name in re.findall(r'data-tab="([^"]+)"', text))
    return frozenset([*ids, *tabs, *re.findall(r'data-id="([0-9a-f]{8})"', text)])


def dead(links: tuple[str, ...] | list[str], page: Path) -> list[str]:
    """Those of a page's links that lead nowhere, or to an address that is not listed."""
    found = []
    for link in links:
        parts = urlsplit(link)
        target = page.parent / unquote(parts.path) if parts.path else page
        if parts.scheme or parts.netloc:
            good = link in OTHERS
        else:
            good = target.is_file() and (not parts.fragment or parts.fragment in ids_of(target))
        found += [] if good else [link]
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_of_markdown_files_lead_somewhere(source) -> None:
    assert dead(links_of(source), source) == []


def test_links_of_the_site_lead_somewhere(tmp_path) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    (folder / "record.json").write_text(record_text(make_record()))
    site = build_site([folder], tmp_path / "site").index.parent
    pages = sorted(site.rglob("*.html"))
    found = {path.name: dead(Page(path.read_text("utf-8")).links, path) for path in pages}
    assert {name: links for name, links in found.items() if links} == {}
    assert {"cli.html", "api.html", "security.html"} <= set(found)


def test_addresses_of_others_are_all_in_use() -> None:
    used = {link for source in SOURCES for link in links_of(source) if urlsplit(link).scheme}
    assert used == OTHERS
    assert all(link.startswith("https://") for link in OTHERS)


def test_a_dead_link_is_found(tmp_path) -> None:
    page = tmp_path / "a.md"
    page.write_text("# One\n\n[x](#one) [y](#two) [z](b.md) [w](http://example.org)\n")
    assert dead(links_of(page), page) == ["#two", "b.md", "http://example.org"]


def test_addresses_stand_in_links_and_not_in_running_text() -> None:
    """Bare addresses would not be checked."""
    for source in SOURCES:
        text = MARKED.sub("", source.read_text("utf-8"))
        assert "http" not in text, source
