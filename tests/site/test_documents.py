"""conebench.site.documents: every page is there, and none can do harm."""

import json
from pathlib import Path

import pytest
from parsed_pages import Page

from conebench.site.documents import (
    attachments,
    document_files,
    documents,
    render,
    search_script,
)
from conebench.site.pages import document_page, documents_page

ROOT = Path(__file__).parents[2]
SOURCES = [*(ROOT / "docs").glob("*.md"), ROOT / ".github/CONTRIBUTING.md"]
SOURCES += [ROOT / ".github/SECURITY.md"]


def test_every_file_is_a_page_and_the_list_says_what_each_is() -> None:
    assert sorted(document_files()) == sorted(SOURCES)
    page = Page(documents_page())
    for document in documents():
        assert f"{document.name}.html" in page.links
        assert document.summary in page.text
        assert 20 < len(document.summary) < 110, document.name
        assert document.summary.endswith(".")


def test_pages_come_in_the_order_of_a_reader() -> None:
    names = [document.name for document in documents()]
    assert names[:3] == ["install", "quick-start", "tutorial"]
    assert names[-2:] == ["contributing", "security"]
    assert names.index("method") < names.index("performance")


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)
def test_every_heading_of_a_document_is_on_its_page_with_a_link_to_itself(document) -> None:
    page = Page(document_page(document))
    assert len(page.ids) == len(set(page.ids))
    for section, title in document.sections:
        assert section in page.ids
        assert page.links.count(f"#{section}") >= 2
        assert title in page.text


def test_pages_lead_to_their_neighbors() -> None:
    pages = documents()
    for before, page, after in zip(pages, pages[1:], pages[2:], strict=False):
        links = Page(document_page(page)).links
        assert links[-3:] == [f"{before.name}.html", f"{after.name}.html", "index.html"]
    assert Page(document_page(pages[0])).links[-2] == f"{pages[1].name}.html"


def test_the_search_knows_every_section_and_its_text() -> None:
    text = search_script()
    assert text.isascii()
    assert "<" not in text
    found = json.loads(text.removeprefix("window.manual = ").removesuffix(";\n"))
    sections = {(page, section) for page, section, _, _ in found}
    for document in documents():
        assert (document.name, "") in sections
        assert {(document.name, slug) for slug, _ in document.sections} <= sections
    (late,) = [words for page, slug, _, words in found if (page, slug) == ("method", "late-window")]
    assert "confinement exponent" in late


def test_every_column_of_a_table_has_a_name() -> None:
    assert [document.name for document in documents() if "<th></th>" in document.text] == []


def test_ids_of_headings_are_those_of_github() -> None:
    text = (
        "# A\n## `conebench run`\n## What S, T* say\n## Exit codes\n## Exit codes\n### Größe_1 x\n"
    )
    page = Page(render("x", text, ()).text)
    assert page.ids == [
        "a",
        "conebench-run",
        "what-s-t-say",
        "exit-codes",
        "exit-codes-1",
        "größe_1-x",
    ]


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("specs.md", "specs.html"),
        ("../docs/specs.md#fields", "specs.html#fields"),
        ("../.github/CONTRIBUTING.md", "contributing.html"),
        ("notebook.ipynb", "notebook.ipynb"),
        ("other.ipynb", None),
        ("#here", "#here"),
        ("https://arxiv.org/abs/2503.16316", "https://arxiv.org/abs/2503.16316"),
        ("../CHANGELOG.md", None),
        ("http://example.org", None),
        ("javascript:alert(1)", None),
        ("//example.org/specs.md/x", None),
    ],
)
def test_links_lead_to_pages_of_the_site_or_are_words(link, target) -> None:
    known = ("specs", "contributing", "notebook.ipynb")
    page = Page(render("x", f"# A\n\n[words]({link})\n", known).text)
    assert page.links == ([] if target is None else [target])
    assert "words" in page.text


def test_markup_styles_and_script_addresses_are_text() -> None:
    source = "# A <script>alert(1)</script>\n\n| a | b |\n|--:|:--|\n| 1 | [x](javascript:a) |\n"
    text = render("x", source, ()).text
    assert "<script" not in text
    assert "style=" not in text
    assert "href" not in text
    assert '<div class="scroll" tabindex="0" role="region" aria-label="Table 1"><table>' in text


def test_pictures_are_those_beside_the_documents_and_others_are_their_words() -> None:
    known = {file.name for file in attachments()}
    page = Page(render("x", "# A\n\n![one](board.png) ![two](https://x.org/y.png)\n", known).text)
    assert page.links == ["board.png"]
    assert "two" in page.text


def test_code_can_be_scrolled_by_keyboard() -> None:
    assert '<pre tabindex="0"><code' in render("x", "# A\n\n```sh\nls\n```\n", ()).text
