"""The method page is the documentation, and nothing in it can harm the page."""

from pathlib import Path

from test_site_pages import Page

from conebench.site import method
from conebench.site.method import method_text
from conebench.site.pages import method_page

SOURCE = Path(__file__).parents[1] / "docs" / "method.md"


def test_every_heading_of_the_document_is_on_the_page():
    page = Page(method_page())
    headings = [
        line.lstrip("# ") for line in SOURCE.read_text("utf-8").splitlines() if line[:1] == "#"
    ]
    assert len(page.headings) == len(headings)
    assert all(heading in page.text for heading in headings)
    assert len(page.ids) == len(set(page.ids))
    assert "two-phases" in page.ids


def test_there_are_no_links_to_files_that_the_site_has_not():
    page = Page(method_page())
    outside = [link for link in page.links if ".md" in link]
    assert outside == []
    assert "model-support.md" in page.text


def test_markup_styles_and_script_addresses_are_text(tmp_path, monkeypatch):
    source = tmp_path / "method.md"
    source.write_text(
        "# A <script>alert(1)</script>\n\n| a | b |\n|--:|:--|\n| 1 | [x](javascript:alert) |\n"
    )
    monkeypatch.setattr(method, "PLACES", (tmp_path / "none.md", source))
    text = method_text()
    assert "<script" not in text
    assert "style=" not in text
    assert "href" not in text
    assert '<div class="scroll" tabindex="0" role="region" aria-label="Table 1"><table>' in text
