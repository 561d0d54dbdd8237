"""The board in a real browser: its scripts, and accessibility of all pages."""

import json
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from board_site import (
    address,
    ids_of,
    one_page_of_each_kind,
    plot_of,
    record_address,
)
from browser import Visit, follow, settle, titles, wait_until
from site_folders import save
from synthetic import make_record, make_spec

from conebench.record.quantities import QUANTITIES
from conebench.site import build_site

# The color scheme changes contrast only.
AXE = {
    "light": {"resultTypes": ["violations"]},
    "dark": {"resultTypes": ["violations"], "runOnly": ["color-contrast"]},
}


def values(page, table, key: str) -> list:
    """Return the values of a column for the rows shown in a table."""
    settle(page)
    ids = table.locator("tbody tr").evaluate_all("rows => rows.map(row => row.dataset.id)")
    board = page.evaluate("window.board")
    found = {row["id"]: row["values"][board["keys"].index(key)] for row in board["rows"]}
    return [found[id_] for id_ in ids]


def test_sorting_by_a_column_sorts_every_table_and_undefined_comes_last(visit):
    page = visit.open("index.html#tab=all")
    before = titles(page)
    page.locator("th[data-key=N] button").last.click()
    groups = page.locator("table.board").all()
    for direction in ("descending", "ascending"):
        for table in groups:
            cells = values(page, table, "N")
            known = [value for value in cells if value is not None]
            assert known == sorted(known, reverse=direction == "descending")
            assert cells == [*known, *[None] * (len(cells) - len(known))]
            assert table.locator(f"th[aria-sort={direction}]").count() == 1
        page.locator("th[data-key=N] button").last.click()
    assert titles(page) == before
    assert address(page) == "#tab=all"


def test_every_sort_and_tab_is_a_step_back_and_typing_is_not(visit):
    page = visit.open("index.html")
    page.locator("th[data-key=N] button").first.click()
    page.locator(".tabs").get_by_text("mnist").click()
    assert titles(page) == ["Delta"]
    page.locator("#q").type("beta")
    assert titles(page) == ["Beta"]
    page.go_back()
    wait_until(page, "location.hash === '#sort=-N'")
    assert len(titles(page)) == 4
    page.go_back()
    wait_until(page, "location.hash === ''")


def test_names_are_sorted_as_numbers(browser, tmp_path):
    rates = ("0.1", "0.005", "0.02")
    for rate in rates:
        record = make_record(make_spec(title=f"Rate {rate}"))
        save(record, tmp_path / "records" / rate)
    other = build_site([tmp_path / "records"], tmp_path / "site").index.parent
    found = Visit(browser, other.as_uri())
    page = found.open("index.html#sort=record")
    settle(page)
    names = page.locator(".board tbody th a").all_inner_texts()
    assert names == ["Rate 0.005", "Rate 0.02", "Rate 0.1"]
    found.finish()


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("dataset", "mnist", ["Delta"]),
        ("family", "vit", ["Gamma"]),
        ("optimizer", "adam", ["Beta"]),
        ("outcome", "no constant learning rate", ["Gamma"]),
        ("outcome", "no Phase I", ["Delta"]),
        ("trust", "replicated", ["Beta"]),
    ],
)
def test_filters_show_the_rows_that_fit_and_stand_in_the_address(visit, key, value, shown):
    page = visit.open("index.html")
    page.get_by_text("Filter", exact=True).click()
    page.locator(f"#{key}").select_option(value)
    assert titles(page) == shown
    assert page.locator("#count").inner_text() == f"{len(shown)} of 5 records"
    assert page.locator("section.group:visible").count() == 1
    hash_ = address(page)
    assert hash_.startswith(f"#{key}=")
    assert "&" not in hash_
    assert titles(visit.open(f"index.html{hash_}")) == shown
    page.get_by_text("Filter", exact=True).click()
    page.locator("#reset").click()
    assert len(titles(page)) == 4
    assert address(page) == ""


def test_a_click_elsewhere_closes_a_menu(visit):
    page = visit.open("index.html")
    page.get_by_text("Filter", exact=True).click()
    assert page.locator("#family").is_visible()
    page.locator("h1").click()
    assert page.locator("#family").is_hidden()


def test_search_needs_every_word_and_looks_at_dates_specs_and_reasons(visit):
    page = visit.open("index.html")
    page.locator("#q").fill("adam resnet20")
    assert titles(page) == ["Beta"]
    assert address(page) == "#q=adam+resnet20"
    for words, count in (
        ("2026-01-02", 5),
        ("synthetic", 5),
        ("a rank needs 5", 1),
        ("5 seeds", 1),
    ):
        page.locator("#q").fill(words)
        assert len(titles(page)) == count, words


def test_nothing_found_is_said_with_a_way_back(visit):
    page = visit.open("index.html#q=zzz")
    assert titles(page) == []
    assert page.locator("#nothing").inner_text().startswith("No record matches “zzz”.")
    page.get_by_role("button", name="Clear search").press("Enter")
    assert len(titles(page)) == 4
    assert page.evaluate("document.activeElement.id") == "q"


@pytest.mark.parametrize("sort", ["-nothing", "a%0Ab", "%0A"])
def test_values_that_do_not_exist_are_ignored(visit, sort: str):
    page = visit.open(f"index.html#dataset=gone&tab=gone&sort={sort}&q=&ticked=x,../y&columns=z")
    assert len(titles(page)) == 4
    assert page.locator("#tray").is_hidden()


def test_old_addresses_of_tables_open_their_tab(visit):
    page = visit.open("index.html")
    number = page.locator("section[data-tab=mnist] h2").get_attribute("id")
    page = visit.open(f"index.html#{number}")
    assert titles(page) == ["Delta"]


def test_the_board_works_by_keyboard_alone(visit):
    page = visit.open("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("th[data-key=N] button").first.focus()
    page.keyboard.press("Enter")
    assert address(page) == "#sort=-N"
    page.keyboard.press("Space")
    assert address(page) == "#sort=N"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.press("Escape")
    page.locator("button[popovertarget=about-cone]").first.press("Enter")
    assert "Narrowness of the cone" in page.locator("#about-cone").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("#about-cone").is_hidden()
    menu = page.locator(".menu").first
    menu.locator("summary").press("Enter")
    page.locator("#family").focus()
    page.keyboard.press("Escape")
    assert page.locator("#family").is_hidden()
    assert page.evaluate("document.activeElement.textContent") == "Filter"
    # One tab stop for each head, and ticks that a finger hits.
    heads = page.locator("table.board").first.locator("thead th")
    assert heads.evaluate_all("all => all.every(th => th.querySelectorAll('button').length === 1)")
    boxes = page.locator(".tick input:visible").all()
    assert all(
        min(box.bounding_box()["width"], box.bounding_box()["height"]) >= 24 for box in boxes
    )


def test_a_row_opens_with_all_figures_and_links(visit):
    page = visit.open("index.html")
    page.get_by_role("button", name="All figures of Alpha").press("Enter")
    opened = page.locator(".opened")
    opened.locator("svg").first.wait_for()
    assert opened.locator("li").count() == len(QUANTITIES)
    assert "Outcomes of the seeds: two phases: 5 of 5." in opened.inner_text()
    opened.get_by_role("button", name="VR", exact=True).press("Enter")
    shown = opened.locator(".pop:popover-open")
    assert shown.inner_text().startswith("VR: Scatter about the axis")
    assert "Higher means less confined." in shown.inner_text()
    assert shown.get_by_role("link").get_attribute("href") == "docs/method.html#late-window"
    page.keyboard.press("Escape")
    assert opened.get_by_role("link", name="Its page").get_attribute("href") == record_address(
        "Alpha"
    )
    page.locator("th[data-key=N] button").first.click()
    settle(page)
    assert page.locator(".opened").count() == 1


def test_columns_can_be_added(visit):
    page = visit.open("index.html")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("Γ(w)").check()
    settle(page)
    assert address(page) == "#columns=Gamma"
    cell = page.locator("table.board").first.locator("tbody tr td.extra").first
    assert float(cell.inner_text()) == pytest.approx(make_record().summary.Gamma.value, rel=1e-2)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_the_table_downloads(visit, site, kind):
    page = visit.open("index.html")
    with page.expect_download() as found:
        page.get_by_role("link", name=kind.upper(), exact=True).click()
    text = Path(found.value.path()).read_text("utf-8")
    assert text == (site / f"table.{kind}").read_text("utf-8")
    if kind == "json":
        assert len(json.loads(text)) == 5


def test_the_theme_is_chosen_and_kept(visit):
    page = visit.open("index.html")
    color = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(color) == "rgb(255, 255, 255)"
    button = page.locator("#theme")
    for name in ("light", "dark"):
        button.press("Enter")
        assert button.get_attribute("aria-label") == f"Theme: {name}"
    assert page.evaluate(color) == "rgb(20, 23, 26)"
    page = visit.open("data.html")
    assert page.evaluate(color) == "rgb(20, 23, 26)"
    page.emulate_media(media="print")
    assert page.evaluate(color) == "rgb(255, 255, 255)"


def open_everything(page) -> None:
    page.evaluate("""() => {
        for (const part of document.querySelectorAll('details')) part.open = true;
        for (const part of document.querySelectorAll('.menu')) part.open = false;
        document.querySelector('tr .open button')?.click();
        document.querySelector('.tick input')?.click();
    }""")
    page.wait_for_timeout(300)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_an_accessibility_violation(browser, base, site, scheme):
    visit = Visit(browser, base, color_scheme=scheme, bypass_csp=True)  # axe adds styles
    pages = one_page_of_each_kind(site)
    # The data page is tables in the colors of the board.
    for name in pages if scheme == "light" else set(pages) - {"data.html", "docs/index.html"}:
        page = visit.open(name)
        if name == "compare.html":
            page = visit.open(f"{name}#{ids_of('Alpha', 'Beta')}")
            page.locator("figure .name").first.wait_for()
        if name.startswith("records/"):
            wait_until(page, "document.querySelectorAll('.plot-tools').length >= 10")
        open_everything(page)
        for pop in page.locator("[popovertarget]").evaluate_all(
            "all => all.map(b => b.popoverTargetElement.id)"
        )[:4]:
            page.evaluate("id => document.getElementById(id).showPopover()", pop)
        found = Axe().run(page, options=AXE[scheme])
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
    visit.finish()


def test_the_site_works_from_files(browser, site):
    visit = Visit(browser, site.as_uri())
    page = visit.open("index.html#q=beta")
    assert titles(page) == ["Beta"]
    page.locator("#q").fill("")
    page.locator("th[data-key=record] button").first.click()
    assert address(page) == "#sort=record"
    page = visit.open(record_address("Alpha"))
    plot_of(page, "path")
    page = visit.open("docs/index.html")
    page.locator("#q").fill("confinement exponent")
    page.locator("#found a").first.wait_for()
    links = page.locator("#found a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert "method.html#late-window" in links
    visit.finish()


def test_dark_readers_get_a_dark_page(browser, base):
    visit = Visit(browser, base, color_scheme="dark")
    page = visit.open("index.html")
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert color == "rgb(20, 23, 26)"
    visit.finish()


def test_without_scripts_tables_plots_and_explanations_are_there(browser, base):
    visit = Visit(browser, base, java_script_enabled=False)
    page = visit.open("index.html")
    assert len(titles_without_scripts(page)) == 5
    assert page.locator(".tools").is_hidden()
    page.locator("button[popovertarget=about-strength]").first.click()
    assert page.locator("#about-strength").is_visible()
    follow(page.locator(".board tbody th a").first)
    assert page.locator("figure svg:visible").count() >= 8
    page = visit.open("compare.html")
    assert page.locator("noscript tbody tr").count() == 5
    visit.finish()


def titles_without_scripts(page) -> list[str]:
    return page.locator(".board tbody tr:visible th a").all_inner_texts()
