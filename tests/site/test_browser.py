"""The site in a real browser: its scripts, and accessibility."""

import json
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import NARROW, Visit, chromium, served, settle, titles, wait_until
from site_folders import save
from synthetic import BASE_SPEC, make_record, make_replication, make_spec, save_replication

from conebench.record import Record
from conebench.site import build_site

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \u202e\" ' & javascript:"
ADAM = {
    "steps": 1000,
    "batch_size": 64,
    "optimizer": {"name": "adam", "learning_rate": 1e-3},
}
# The color scheme changes contrast only.
AXE = {
    "light": {"resultTypes": ["violations"]},
    "dark": {"resultTypes": ["violations"], "runOnly": ["color-contrast"]},
}
COSINE = {
    **BASE_SPEC["training"],
    "schedule": {"name": "cosine"},
}


def board_records() -> list[Record]:
    """Return records of three comparability groups, three model families, two optimizers."""
    return [
        make_record(make_spec(title="Alpha")),
        make_record(make_spec(title="Beta", training=ADAM), noise=0.12),
        make_record(
            make_spec(title="Gamma", model={"name": "vit_tiny_patch16_224"}, training=COSINE)
        ),
        make_record(
            make_spec(title="Delta", dataset={"name": "mnist"}, model={"name": "cifar_vgg16"}),
            turn_deg=0,  # no Phase I
        ),
        make_record(make_spec(title=HOSTILE[:120], seeds=[4])),
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    for record in board_records():
        path = save(record, folder / "records" / record.id)
        if record.spec.title == "Beta":
            save_replication(path, make_replication(record))
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


def one_page_of_each_kind(site: Path) -> list[str]:
    found = [*sorted(path.name for path in site.glob("*.html")), record_address("Alpha")]
    return [*found, *(f"docs/{name}.html" for name in ("index", "quick-start", "tutorial"))]


def pages_of(site: Path) -> list[str]:
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


def record_address(title: str) -> str:
    (record,) = [record for record in board_records() if record.spec.title == title]
    return f"records/{record.id}.html"


def values(page, table, key: str) -> list:
    """Return the values of a column for the rows shown in a table."""
    settle(page)
    ids = table.locator("tbody tr").evaluate_all("rows => rows.map(row => row.dataset.id)")
    board = page.evaluate("window.board")
    found = {row["id"]: row["values"][board["keys"].index(key)] for row in board["rows"]}
    return [found[id_] for id_ in ids]


def address(page) -> str:
    return page.evaluate("location.hash")


def test_sorting_by_a_column_sorts_every_table_and_undefined_comes_last(visit):
    page = visit.open("index.html")
    before = titles(page)
    page.locator("th[data-key=N] button").last.click()
    (groups,) = [page.locator("table.board").all()]
    for direction in ("descending", "ascending"):
        for table in groups:
            cells = values(page, table, "N")
            known = [value for value in cells if value is not None]
            assert known == sorted(known, reverse=direction == "descending")
            assert cells == [*known, *[None] * (len(cells) - len(known))]
            assert table.locator(f"th[aria-sort={direction}]").count() == 1
        page.locator("th[data-key=N] button").last.click()
    assert titles(page) == before
    assert address(page) == ""


def test_names_are_sorted_from_a(visit):
    page = visit.open("index.html#sort=record")
    settle(page)
    names = page.locator("table.board").last.locator("tbody th a").all_inner_texts()
    assert names == sorted(names)


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


@pytest.mark.parametrize("sort", ["-nothing", "a%0Ab", "%0A"])
def test_values_that_do_not_exist_are_ignored(visit, sort: str):
    page = visit.open(f"index.html#dataset=gone&sort={sort}&q=")
    assert len(titles(page)) == 5


def test_the_back_button_brings_the_state_back(visit):
    page = visit.open("index.html#q=beta")
    page.evaluate("location.hash = 'q=alpha'")
    wait_until(page, "document.getElementById('q').value === 'alpha'")
    page.go_back()
    wait_until(page, "document.getElementById('q').value === 'beta'")
    assert titles(page) == ["Beta"]


def test_the_board_works_by_keyboard_alone(visit):
    page = visit.open("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("th[data-key=turn_deg] button").first.focus()
    page.keyboard.press("Enter")
    assert address(page) == "#sort=-turn_deg"
    page.keyboard.press("Space")
    assert address(page) == "#sort=turn_deg"


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_the_table_downloads(visit, site, kind):
    page = visit.open("index.html")
    with page.expect_download() as found:
        page.get_by_role("link", name=f"table.{kind}").click()
    text = Path(found.value.path()).read_text("utf-8")
    assert text == (site / f"table.{kind}").read_text("utf-8")
    if kind == "json":
        assert len(json.loads(text)) == 5


def test_one_slider_marks_its_step_on_every_plot(visit):
    page = visit.open(record_address("Alpha"))
    slider, now = page.locator("#step"), page.locator("#now")
    assert now.inner_text().startswith("step 300 · S to start ")  # w
    marks = page.locator(".plot svg:visible .now")
    assert marks.count() == 6
    before = marks.evaluate_all("paths => paths.map(p => p.getAttribute('d'))")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert now.inner_text().startswith("step 350 · ")
    assert slider.get_attribute("aria-valuetext") == now.inner_text()
    assert address(page) == "#step=350"
    after = marks.evaluate_all("paths => paths.map(p => p.getAttribute('d'))")
    assert all(a != b for a, b in zip(before, after, strict=True))
    page.keyboard.press("ArrowLeft")
    assert address(page) == ""


def test_the_mark_stands_where_the_axis_has_the_step(visit):
    page = visit.open(f"{record_address('Alpha')}#step=500")
    axis = page.locator("section[aria-labelledby=training] svg").first
    x = float(axis.locator(".now").get_attribute("d")[1:].split()[0])
    places = axis.evaluate(
        "svg => [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getAttribute('x')])"
    )
    ticks = {label: float(at) for label, at in places if at}
    assert x == pytest.approx((ticks["400"] + ticks["600"]) / 2, abs=0.2)


def test_every_seed_can_be_chosen(visit):
    page = visit.open(record_address("Alpha"))
    assert page.locator(".of-seed:visible figcaption").count() == 5
    page.locator("#seed").select_option("2")
    captions = page.locator(".of-seed:visible figcaption").all_inner_texts()
    assert len(captions) == 5
    assert all("seed 2" in caption for caption in captions)
    assert address(page) == "#seed=2"
    page = visit.open(f"{record_address('Alpha')}#seed=1&step=400")
    assert page.locator("#seed").input_value() == "1"
    assert page.locator("#now").inner_text().startswith("step 400 · ")


def test_the_path_of_the_kernel_turns(visit):
    page = visit.open(record_address("Alpha"))
    assert page.evaluate("window.Plotly") is None
    page.locator("#picture").scroll_into_view_if_needed()
    page.locator(".scene canvas").first.wait_for()
    eye = "document.querySelector('.scene').layout.scene.camera.eye.x"
    before = page.evaluate(eye)
    page.get_by_role("button", name="Turn left").press("Enter")
    wait_until(page, f"{eye} !== {before}")
    page.locator("#step").press("ArrowRight")
    shown = page.evaluate("document.querySelector('.scene').data.at(-1).x[0]")
    walk = page.evaluate("Object.values(window.conebench)[0].seeds[0]")
    assert shown == walk["picture"][walk["steps"].index(350)][0]


@pytest.mark.parametrize("kind", ["SVG", "CSV"])
def test_a_plot_downloads(visit, kind):
    page = visit.open(record_address("Alpha"))
    with page.expect_download() as found:
        page.locator("section[aria-labelledby=velocity]").get_by_role("link", name=kind).click()
    assert found.value.suggested_filename == f"velocity.{kind.lower()}"
    assert (
        Path(found.value.path()).read_bytes().startswith({"SVG": b"<svg ", "CSV": b"Step,"}[kind])
    )


def test_the_command_is_copied(browser, base):
    visit = Visit(browser, base, permissions=["clipboard-read", "clipboard-write"])
    page = visit.open(record_address("Alpha"))
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "conebench run synthetic.yaml"
    visit.finish()


def ids_of(*names: str) -> str:
    return ",".join(
        record.id for name in names for record in board_records() if record.spec.title == name
    )


def test_ticked_records_are_compared(visit):
    page = visit.open("index.html")
    assert page.locator("#compare").is_hidden()
    for name in ("Alpha", "Delta"):
        page.get_by_label(f"Compare {name}").check()
    page.locator("#compare").click()
    page.locator(".chart .main-svg").first.wait_for()
    chosen = page.locator("#chosen a").all_inner_texts()
    assert sorted(chosen) == ["Alpha", "Delta"]
    assert sorted(address(page)[1:].split(",")) == sorted(ids_of("Alpha", "Delta").split(","))
    assert "different comparability groups" in page.locator("#groups").inner_text()


def test_a_comparison_stands_in_the_address_and_hostile_names_stay_text(visit):
    page = visit.open(f"compare.html#{ids_of('Alpha', 'Beta', HOSTILE[:120])},ffffffff")
    wait_until(page, "[...document.querySelectorAll('.chart')].every(box => box.data)")
    assert page.locator("#chosen li").count() == 3
    shown = page.locator("#figures-head th").last.inner_text()
    assert shown.startswith("</script><script>alert(1)</script><img src=x")
    assert page.locator(".chart img").count() == 0
    cells = page.locator("tr[data-field=N] td").all_inner_texts()
    assert float(cells[0].split()[0]) == pytest.approx(make_record().summary.N.value, rel=1e-2)
    page.get_by_role("button", name="Remove Beta").click()
    wait_until(page, "document.querySelectorAll('#chosen li').length === 2")
    assert address(page).count(",") == 1
    page.locator("#pick").select_option(label=f"Beta, {ids_of('Beta')}")
    page.locator("#add").click()
    wait_until(page, "document.querySelectorAll('#chosen li').length === 3")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_an_accessibility_violation(browser, base, site, scheme):
    visit = Visit(browser, base, color_scheme=scheme, bypass_csp=True)  # axe adds styles
    pages = one_page_of_each_kind(site)
    # The data page is tables in the colors of the board.
    for name in pages if scheme == "light" else set(pages) - {"data.html", "docs/index.html"}:
        page = visit.open(name)
        if name == "compare.html":
            page = visit.open(f"{name}#{ids_of('Alpha', 'Beta')}")
            page.locator(".chart .main-svg").first.wait_for()
        if name.startswith("records/"):
            page.locator("#picture").scroll_into_view_if_needed()
            page.locator(".scene canvas").first.wait_for()
        found = Axe().run(page, options=AXE[scheme])
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
