"""A board with more rows than its index shows, in a real browser."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import NARROW, Visit, chromium, follow, served, settle, titles, wait_until
from synthetic import make_record

from conebench.site.board.parts import rows_script
from conebench.site.board.rows import group_rows, row_of
from conebench.site.build import ASSETS
from conebench.site.pages import all_pages, index_page


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Write the board of 130 rows with N high, low or undefined, but no pages of records."""
    record = make_record()
    (group,) = group_rows([row_of(record, record.id)])
    figures = group.rows[0].figures
    several = [figures["N"], replace(figures["N"], value=0.1), None]
    rows = tuple(
        replace(
            group.rows[0],
            title=f"Run {i}",
            record_id=f"{i:08d}",
            figures={**figures, "N": several[i % 3]},
        )
        for i in range(130)
    )
    groups = [replace(group, rows=rows)]
    folder = tmp_path_factory.mktemp("long") / "site"
    shutil.copytree(ASSETS, folder / "assets")
    pages = {"index.html": index_page(groups, []), "rows.js": rows_script(groups)}
    for name, text in {**pages, **all_pages(groups)}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def visit(browser, site):
    found = Visit(browser, site.as_uri())
    yield found
    found.finish()


def test_long_tables_are_cut_until_asked(visit):
    page = visit.open("index.html")
    assert len(page.locator(".board tbody tr").all()) == 30
    assert page.locator(".says").inner_text() == "The first 30 of 130 records"
    page.locator("th[data-key=record] button").click()
    page.locator("th[data-key=record] button").click()
    assert page.locator(".board tbody a").first.inner_text() == "Run 129"
    page.get_by_role("button", name="Show all 130 records").click()
    assert len(titles(page)) == 130
    assert page.locator(".more").is_hidden()
    assert page.locator(".says").inner_text() == "130 of 130 records"
    page.locator("th[data-key=record] button").click()
    assert len(titles(page)) == 30


def test_a_table_that_the_index_cuts_has_a_button_for_its_other_rows(browser, site, tmp_path):
    shutil.copytree(site, tmp_path / "site")
    record = make_record()
    (group,) = group_rows([row_of(record, record.id)])
    rows = [replace(group.rows[0], record_id=f"{i:08d}", title=f"Run {i}") for i in range(70)]
    groups = [replace(group, rows=tuple(rows[start : start + 14])) for start in range(0, 70, 14)]
    groups += [replace(group, rows=(rows[0],)) for _ in range(60)]
    (tmp_path / "site" / "index.html").write_text(index_page(groups, []), encoding="utf-8")
    (tmp_path / "site" / "rows.js").write_text(rows_script(groups), encoding="utf-8")
    visit = Visit(browser, (tmp_path / "site").as_uri())
    page = visit.open("index.html")
    table = page.locator(".group").first
    assert table.locator("tbody tr").count() == 8
    table.get_by_role("button", name="Show all 14 records").click()
    settle(page)
    assert table.locator("tbody tr").count() == 14
    assert table.locator(".more").is_hidden()
    visit.finish()


@pytest.mark.parametrize("browser_lacks", ["nothing", "requestIdleCallback"])
def test_all_rows_are_there_before_anything_needs_them(visit, browser_lacks):
    visit.context.add_init_script(f"window.{browser_lacks} = undefined")
    page = visit.open("index.html")
    wait_until(page, "window.board?.rows.length === 130")
    assert len(titles(page)) == 30
    assert page.locator("#count").inner_text() == "130 records"


SAVES_DATA = "Object.defineProperty(navigator, 'connection', { value: { saveData: true } })"


def test_readers_who_save_data_load_rows_when_they_come_near(visit):
    visit.context.add_init_script(SAVES_DATA)
    page = visit.open("index.html")
    page.evaluate("new Promise((done) => requestIdleCallback(() => done()))")
    assert page.locator("script[src$='/rows.js']").count() == 0
    page.locator("th[data-key=record]").hover()
    wait_until(page, "window.board?.rows.length === 130")


def test_equal_figures_keep_the_order_of_the_board_and_undefined_ones_come_last(visit):
    page = visit.open("index.html")
    high, low, undefined = ([f"Run {i}" for i in range(kind, 130, 3)] for kind in range(3))
    for expected in ([*high, *low, *undefined], [*low, *high, *undefined]):
        page.locator("th[data-key=N] button").click()
        page.get_by_role("button", name="Show all 130 records").click()
        settle(page)
        assert page.locator(".board tbody a").all_inner_texts() == expected


def test_rows_that_are_not_shown_are_found_and_kept_ticked(visit):
    page = visit.open("index.html#q=129")
    assert len(titles(page)) == 1
    page.get_by_label("Compare Run 129").check()
    page.locator("#q").fill("run 12")
    assert page.locator("#count").inner_text() == "12 of 130 records"  # 112 too
    assert page.get_by_label("Compare Run 129").is_checked()
    page.get_by_label("Compare Run 12", exact=True).check()
    assert page.locator("#compare").get_attribute("href") == "compare.html#00000129,00000012"


def test_a_sixth_tick_is_refused_with_a_word(visit):
    page = visit.open("index.html")
    for i in range(5):
        page.get_by_label(f"Compare Run {i}", exact=True).check()
    page.get_by_label("Compare Run 5", exact=True).click()
    assert not page.get_by_label("Compare Run 5", exact=True).is_checked()
    assert "At most 5 records" in page.locator("#chosen-count").inner_text()
    assert page.locator("#tray li").count() == 5


def test_without_scripts_every_record_is_on_a_plain_page(browser, site):
    visit = Visit(browser, site.as_uri(), java_script_enabled=False)
    page = visit.open("index.html")
    found = []
    follow(page.get_by_role("link", name="page by page"))
    assert page.locator("nav[aria-label='Pages of records'] a").all_inner_texts() == ["1", "2"]
    for number in ("1", "2"):
        follow(page.get_by_role("link", name=number, exact=True))
        found += page.locator(".board tbody a").all_inner_texts()
    assert found == [f"Run {i}" for i in range(130)]
    visit.finish()


def test_plain_pages_fit_everyone(browser, site):
    with served(site) as address:
        visit = Visit(browser, address, viewport=NARROW, bypass_csp=True)  # axe adds styles
        page = visit.open("all-2.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        found = Axe().run(page, options={"resultTypes": ["violations"]})
        assert found.violations_count == 0, found.generate_report()
        visit.finish()


def test_a_board_without_its_rows_says_so_and_tries_again(browser, site, tmp_path):
    shutil.copytree(site, tmp_path / "cut", ignore=shutil.ignore_patterns("rows.js"))
    visit = Visit(browser, (tmp_path / "cut").as_uri())
    visit.context.add_init_script(SAVES_DATA)  # else it also tries on its own at some time
    page = visit.open("index.html#q=129")
    settle(page)
    assert page.locator("#count").inner_text() == "rows.js cannot be loaded"
    assert len(titles(page)) == 30
    (problem,) = visit.problems  # the browser reports the missing file
    assert "ERR_FILE_NOT_FOUND" in problem
    visit.problems.clear()
    shutil.copy(site / "rows.js", tmp_path / "cut")
    page.locator("#q").fill("128")
    assert titles(page) == ["Run 1"]
    visit.finish()
