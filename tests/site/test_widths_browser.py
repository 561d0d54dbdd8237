"""The site's pages on screens of several widths, in a real browser."""

import pytest
from board_site import one_page_of_each_kind, pages_of
from browser import Visit, settle, wait_until
from site_folders import save
from synthetic import make_record, make_spec

from conebench.site import build_site


@pytest.mark.parametrize("width", [360, 1280, 1440])
def test_no_page_scrolls_sideways(browser, base, site, width):
    visit = Visit(browser, base, viewport={"width": width, "height": 900})
    for name in pages_of(site) if width == 360 else one_page_of_each_kind(site):
        page = visit.open(name)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        board = ".group .scroll"
        if width > 360 and name == "index.html":
            wide = page.locator(board).evaluate_all(
                "all => all.map(b => b.scrollWidth - b.clientWidth)"
            )
            assert max(wide) <= 0
    visit.finish()


@pytest.mark.parametrize(("width", "height", "least"), [(1440, 900, 8), (390, 844, 2)])
def test_the_first_screen_shows_rows(browser, tmp_path, width, height, least):
    for i in range(12):
        record = make_record(
            make_spec(title=f"Study F: ResNet-8 (width 8) on digits, probe-seed-{i + 10}")
        )
        save(record, tmp_path / "records" / str(i))
    site = build_site([tmp_path / "records"], tmp_path / "site").index.parent
    visit = Visit(browser, site.as_uri(), viewport={"width": width, "height": height})
    page = visit.open("index.html")
    settle(page)
    ends = page.locator(".board tbody tr[data-id]").evaluate_all(
        "rows => rows.map(row => row.getBoundingClientRect().bottom)"
    )
    assert sum(end <= height for end in ends) >= least
    visit.finish()


@pytest.mark.parametrize("width", [320, 390])
def test_every_link_of_the_header_is_seen_and_touched_on_a_phone(browser, base, width):
    visit = Visit(browser, base, viewport={"width": width, "height": 844})
    page = visit.open("index.html")
    header = page.locator("body > header")
    assert header.evaluate("h => h.scrollWidth - h.clientWidth") <= 0
    assert header.bounding_box()["height"] <= 100
    links = header.locator("a")
    assert {"Board", "Findings", "Data"} <= set(links.all_inner_texts())
    for box in (link.bounding_box() for link in links.all()):
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    for box in (link.bounding_box() for link in header.locator("nav a").all()):
        assert box["height"] >= 44
        assert box["width"] >= 24
    # Below, the pages stay within reach.
    page.mouse.wheel(0, 2000)
    wait_until(page, "scrollY > 300")
    top = header.locator("nav").bounding_box()["y"]
    assert 0 <= top <= 10
    page.locator(".home").focus()
    wait_until(page, "document.querySelector('.home').getBoundingClientRect().top >= 0")
    visit.finish()


@pytest.mark.parametrize("width", [390, 1440])
def test_no_chip_of_the_board_is_cut(browser, base, width):
    visit = Visit(browser, base, viewport={"width": width, "height": 900})
    page = visit.open("index.html#tab=all")
    settle(page)
    below = page.locator(".board .sub").evaluate_all(
        "all => all.flatMap(sub => [...sub.querySelectorAll('.badge')]"
        ".map(badge => badge.getBoundingClientRect().bottom - sub.getBoundingClientRect().bottom))"
    )
    assert below
    # A third line is left out as a whole.
    assert not [cut for cut in below if 0.1 < cut < 14]
    visit.finish()


def test_the_tabs_of_a_phone_keep_off_the_list_above(browser, tmp_path):
    for record in (make_record(make_spec(title=title)) for title in ("One", "Two")):
        save(record, tmp_path / "records" / record.id)
    site = build_site([tmp_path / "records"], tmp_path / "site").index.parent
    visit = Visit(browser, site.as_uri(), viewport={"width": 390, "height": 844})
    page = visit.open("index.html")
    boxes = [page.locator(name).bounding_box() for name in (".so-far", ".bar-of-tabs")]
    assert boxes[1]["y"] - boxes[0]["y"] - boxes[0]["height"] >= 8
    visit.finish()
