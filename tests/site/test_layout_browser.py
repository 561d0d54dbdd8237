"""How much of the board fits a screen, a phone and a sheet of paper, in a real browser."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from board_site import plot_of
from browser import Visit
from site_folders import save
from synthetic import make_record

from conebench.site import build_site
from conebench.site.board.parts import rows_script
from conebench.site.board.rows import group_rows, row_of
from conebench.site.build import ASSETS
from conebench.site.pages import all_pages, index_page

TITLE = "Study A: ResNet-8 on 8x8 digits, none-lr0.04-b16-w"
TABS = (
    "digits",
    "cifar10-jpeg, 10,000 training images",
    "cifar10-jpeg, 50,000 training images",
    "digits, 100 % random labels",
)
PAPER = {"width": 718, "height": 1000}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Write a board of long names, four data sets, and rows with every badge."""
    record = make_record()
    (group,) = group_rows([row_of(record, record.id)])
    rows = [
        replace(
            group.rows[0],
            title=f"{TITLE}{i}",
            model="cifar_resnet8",
            outcomes={"two phases": 4, "no Phase II": 1},
            doubtful=2,
            record_id=f"{i:08d}",
        )
        for i in range(80)
    ]
    groups = [
        replace(
            group,
            rows=tuple(rows[20 * i : 20 * i + 20]),
            key=group.key._replace(dataset=name),
        )
        for i, name in enumerate(TABS)
    ]
    folder = tmp_path_factory.mktemp("layout") / "site"
    shutil.copytree(ASSETS, folder / "assets")
    found = ["A larger batch: motion ×0.270 [×0.241, ×0.302] per doubling, block A, 5 seeds."]
    pages = {"index.html": index_page(groups, [], found), "rows.js": rows_script(groups)}
    for name, text in {**pages, **all_pages(groups)}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def bottoms(page) -> list[float]:
    return page.locator(".board tbody tr[data-id]:visible").evaluate_all(
        "rows => rows.map(row => row.getBoundingClientRect().bottom)"
    )


def test_long_names_and_every_badge_leave_eight_rows_on_the_first_screen(browser, site):
    visit = Visit(browser, site.as_uri(), viewport={"width": 1440, "height": 900})
    page = visit.open("index.html")
    rows = page.locator(".board tbody tr[data-id]:visible")
    heights = rows.evaluate_all("rows => rows.map(row => row.getBoundingClientRect().height)")
    assert max(heights) <= 52.5
    assert sum(bottom <= 900 for bottom in bottoms(page)) >= 8
    tabs, tools = (page.locator(name).bounding_box()["y"] for name in (".tabs", ".tools"))
    assert abs(tabs - tools) < 20
    visit.finish()


def test_a_phone_shows_two_cards_and_explains_their_symbols(browser, site):
    visit = Visit(browser, site.as_uri(), viewport={"width": 390, "height": 844})
    page = visit.open("index.html")
    assert sum(bottom <= 844 for bottom in bottoms(page)) >= 2
    button = page.locator("button[popovertarget=about-cone]:visible").first
    assert button.bounding_box()["height"] >= 24
    button.click()
    assert "Narrowness of the cone" in page.locator("#about-cone").inner_text()
    visit.finish()


def test_paper_gets_a_table_that_fits(browser, site):
    visit = Visit(browser, site.as_uri(), viewport=PAPER, color_scheme="dark")
    page = visit.open("index.html")
    page.emulate_media(media="print")
    table = page.locator("table.board:visible").first
    assert table.locator("thead th[data-key=N]").is_visible()
    assert table.evaluate("table => table.getBoundingClientRect().right") <= PAPER["width"]
    assert page.locator(".tools").is_hidden()
    assert page.locator("h1").bounding_box()["height"] < 100
    visit.finish()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_stand_out_three_to_one(browser, site, scheme):
    visit = Visit(browser, site.as_uri(), color_scheme=scheme)
    page = visit.open("index.html")
    for name in (".iv", ".pt", ".axis", ".ray", ".spark .line"):
        ratio = page.locator(name).first.evaluate(CONTRAST)
        assert ratio >= 3, (name, ratio)
    ratio = page.evaluate(f"""() => {{
        document.querySelector('.spark').innerHTML = '<path class="line seed" d="M0 0H9"/>';
        return ({CONTRAST})(document.querySelector('.spark .seed'));
    }}""")
    assert ratio >= 3, ("a seed", ratio)
    visit.finish()


# Contrast of a mark, mixed with the page behind it.
CONTRAST = """mark => {
    const style = getComputedStyle(mark);
    const numbers = (text) => text.match(/[0-9.]+/g).slice(0, 3).map(Number);
    const back = numbers(getComputedStyle(document.body).backgroundColor);
    const color = style.stroke === 'none' ? style.fill : style.stroke;
    const mixed = numbers(color).map((x, i) => x * style.opacity + back[i] * (1 - style.opacity));
    const light = (rgb) => rgb.map((x) => x / 255)
        .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4))
        .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
    const [a, b] = [light(mixed), light(back)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
}"""


def test_names_of_steps_stand_above_the_curves(browser, tmp_path):
    record = make_record()
    save(record, tmp_path / "records" / "a")
    site = build_site([tmp_path / "records"], tmp_path / "site").index.parent
    visit = Visit(browser, site.as_uri())
    page = visit.open(f"records/{record.id}.html")
    name = plot_of(page, "training").locator(".rule-name").first
    frame = plot_of(page, "training").locator("path.tick").first
    name_box, frame_box = name.bounding_box(), frame.bounding_box()
    assert name_box["y"] + name_box["height"] <= frame_box["y"] + 1
    visit.finish()
