"""The site in a real browser: what its scripts do, and that it can be used by everyone."""

import json
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import NARROW, Visit, chromium, served
from synthetic import BASE_SPEC, make_record, make_spec

from conebench.record import Record, record_text
from conebench.site import build_site

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \u202e\" ' & javascript:"
ADAM = {
    "steps": 1000,
    "batch_size": 64,
    "optimizer": {"name": "adam", "learning_rate": 1e-3},
}
COSINE = {
    **BASE_SPEC["training"],
    "schedule": {"name": "cosine"},
}


def board_records() -> list[Record]:
    """Two comparability groups, three model families, two optimizers, three outcomes."""
    return [
        make_record(make_spec(title="Alpha")),
        make_record(make_spec(title="Beta", training=ADAM), noise=0.2),
        make_record(
            make_spec(title="Gamma", model={"name": "vit_tiny_patch16_224"}, training=COSINE)
        ),
        make_record(
            make_spec(title="Delta", dataset={"name": "mnist"}, model={"name": "cifar_vgg16"})
        ),
        make_record(make_spec(title=HOSTILE[:120], seeds=[4])),
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    for record in board_records():
        (folder / "records" / record.id).mkdir(parents=True)
        (folder / "records" / record.id / "record.json").write_text(record_text(record))
    return build_site([folder / "records"], folder / "site").index.parent


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def base(site):
    with served(site) as address:
        yield address


@pytest.fixture
def visit(browser, base):
    found = Visit(browser, base)
    yield found
    found.finish()


def pages_of(site: Path) -> list[str]:
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


def titles(page) -> list[str]:
    """Titles of the rows that are shown, in order."""
    return [title[:5] for title in page.locator(".board tbody tr:visible th a").all_inner_texts()]


def address(page) -> str:
    return page.evaluate("location.hash")


def test_sorting_by_a_column_sorts_every_table_and_undefined_comes_last(visit):
    page = visit.open("index.html")
    before = titles(page)
    page.locator("th[data-key=N] button").last.click()
    (groups,) = [page.locator("table.board").all()]
    for direction in ("descending", "ascending"):
        for table in groups:
            cells = table.locator("tbody tr").evaluate_all(
                "rows => rows.map(r => r.querySelectorAll('[data-v]')[2].dataset.v)"
            )
            known = [float(v) for v in cells if v]
            assert known == sorted(known, reverse=direction == "descending")
            assert [bool(v) for v in cells] == sorted([bool(v) for v in cells], reverse=True)
            assert table.locator(f"th[aria-sort={direction}]").count() == 1
        page.locator("th[data-key=N] button").last.click()
    assert titles(page) == before
    assert address(page) == ""


def test_names_are_sorted_from_a(visit):
    page = visit.open("index.html#sort=record")
    names = page.locator("table.board").last.locator("tbody th a").all_inner_texts()
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("dataset", "mnist", ["Delta"]),
        ("family", "vit", ["Gamma"]),
        ("optimizer", "adam", ["Beta"]),
        ("outcome", "no constant learning rate", ["Gamma"]),
    ],
)
def test_filters_show_the_rows_that_fit_and_stand_in_the_address(visit, key, value, shown):
    page = visit.open("index.html")
    page.get_by_text("Filters").click()
    page.locator(f"#{key}").select_option(value)
    assert titles(page) == shown
    assert page.locator("#count").inner_text() == f"{len(shown)} of 5 records"
    assert page.locator("section.group:visible").count() == 1
    hash_ = address(page)
    assert hash_.startswith(f"#{key}=")
    assert "&" not in hash_
    assert titles(visit.open(f"index.html{hash_}")) == shown
    page.locator("#reset").click()
    assert len(titles(page)) == 5
    assert address(page) == ""


def test_search_needs_every_word(visit):
    page = visit.open("index.html")
    page.locator("#q").fill("adam resnet20")
    assert titles(page) == ["Beta"]
    assert address(page) == "#q=adam+resnet20"
    page.locator("#q").fill("not there")
    assert titles(page) == []
    assert page.locator("#count").inner_text() == "0 of 5 records"


def test_values_that_do_not_exist_are_ignored(visit):
    page = visit.open("index.html#dataset=gone&sort=-nothing&q=")
    assert len(titles(page)) == 5


def test_the_back_button_brings_the_state_back(visit):
    page = visit.open("index.html#q=beta")
    page.evaluate("location.hash = 'q=alpha'")
    page.wait_for_function("document.getElementById('q').value === 'alpha'")
    page.go_back()
    page.wait_for_function("document.getElementById('q').value === 'beta'")
    assert titles(page) == ["Beta"]


def test_the_board_works_by_keyboard_alone(visit):
    page = visit.open("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("th[data-key=T_star] button").first.focus()
    page.keyboard.press("Enter")
    assert address(page) == "#sort=-T_star"
    page.keyboard.press("Space")
    assert address(page) == "#sort=T_star"


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_the_table_downloads(visit, site, kind):
    page = visit.open("index.html")
    with page.expect_download() as found:
        page.get_by_role("link", name=f"table.{kind}").click()
    text = Path(found.value.path()).read_text("utf-8")
    assert text == (site / f"table.{kind}").read_text("utf-8")
    if kind == "json":
        assert len(json.loads(text)) == 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_an_accessibility_violation(browser, base, site, scheme):
    visit = Visit(browser, base, color_scheme=scheme, bypass_csp=True)  # axe adds styles
    for name in pages_of(site):
        found = Axe().run(visit.open(name))
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
    visit.finish()


def test_no_page_scrolls_sideways_on_a_phone(browser, base, site):
    visit = Visit(browser, base, viewport=NARROW)
    for name in pages_of(site):
        page = visit.open(name)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], name
    visit.finish()


def test_the_site_works_from_files(browser, site):
    visit = Visit(browser, site.as_uri())
    page = visit.open("index.html#q=beta")
    assert titles(page) == ["Beta"]
    page.locator("#q").fill("")
    page.locator("th[data-key=record] button").last.click()
    assert address(page) == "#sort=record"
    visit.finish()


def test_dark_readers_get_a_dark_page(browser, base):
    visit = Visit(browser, base, color_scheme="dark")
    page = visit.open("index.html")
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert color == "rgb(20, 23, 26)"
    visit.finish()


def test_without_scripts_tables_and_plots_are_there(browser, base):
    visit = Visit(browser, base, java_script_enabled=False)
    page = visit.open("index.html")
    assert len(titles(page)) == 5
    assert page.locator(".controls").is_hidden()
    page.locator(".board tbody th a").first.click()
    assert page.locator("figure svg:visible").count() >= 8
    visit.finish()
