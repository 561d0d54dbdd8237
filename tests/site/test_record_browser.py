"""A record's page in a real browser: its plots answer, and its path turns."""

from pathlib import Path

import pytest
from board_site import (
    address,
    plot_of,
    record_address,
)
from browser import Visit, wait_until
from synthetic import make_record, make_spec


def test_one_slider_marks_its_step_on_every_plot(visit):
    page = visit.open(record_address("Alpha"))
    slider, now = page.locator("#step"), page.locator("#now")
    assert now.inner_text().startswith("step 300 · S to start ")  # w
    marks = page.locator(".plot svg .now")
    wait_until(page, "document.querySelectorAll('.plot svg .now').length === 8")
    read = "all => all.map(e => e.getAttribute('d') ?? e.getAttribute('cx') + e.getAttribute('cy'))"
    before = marks.evaluate_all(read)
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert now.inner_text().startswith("step 350 · ")
    assert slider.get_attribute("aria-valuetext") == now.inner_text()
    assert address(page) == "#step=350"
    after = marks.evaluate_all(read)
    assert all(a != b for a, b in zip(before, after, strict=True))
    page.get_by_role("button", name="Previous checkpoint").press("Enter")
    assert address(page) == ""
    page.get_by_role("button", name="Play").press("Enter")
    wait_until(page, "document.getElementById('now').textContent.startsWith('step 400')")
    page.get_by_role("button", name="Pause").press("Enter")


def test_values_stand_under_the_pointer_and_a_crosshair_on_every_plot_of_steps(visit):
    page = visit.open(record_address("Alpha"))
    wait_until(page, "document.querySelectorAll('.plot-tools').length >= 10")
    svg = plot_of(page, "velocity").locator("svg").first
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] / 2)
    tip = page.locator(".tip")
    head, mean, *seeds = tip.locator("b, span").all_inner_texts()
    step = int(head.removeprefix("step ").replace(",", ""))
    walks = page.evaluate("Object.values(window.conebench)[0].seeds")
    found = [seed["velocity"][seed["steps"].index(step)] for seed in walks]
    assert float(seeds[2].split()[-1]) == pytest.approx(found[2], rel=1e-3)
    assert float(mean.split()[-1]) == pytest.approx(sum(found) / 5, rel=1e-3)
    # On every plot of steps in view, here the heat map too.
    for key in ("velocity", "distance"):
        wait_until(page, f"document.querySelector('figure[data-key={key}] .cross')")
    page.mouse.move(5, 5)
    wait_until(page, "!document.querySelector('.over .cross')")
    assert tip.is_hidden()


def test_arrow_keys_walk_along_a_plot(visit):
    page = visit.open(record_address("Alpha"))
    svg = plot_of(page, "training").locator("svg").first
    svg.focus()
    page.keyboard.press("Home")
    assert page.locator(".tip b").inner_text() == "step 0"
    page.keyboard.press("ArrowRight")
    assert page.locator(".tip b").inner_text() == "step 5"
    page.keyboard.press("Escape")
    assert page.locator(".tip").is_hidden()


def test_a_plot_that_scrolls_into_view_is_marked_too(visit):
    page = visit.open(record_address("Alpha"))
    last = plot_of(page, "velocity")
    plot_of(page, "training").locator("svg").first.focus()
    page.keyboard.press("Home")
    assert last.locator(".cross").count() == 0
    last.scroll_into_view_if_needed()
    wait_until(page, "document.querySelector('figure[data-key=velocity] .cross')")
    page.keyboard.press("Escape")
    wait_until(page, "!document.querySelector('.over .cross')")


def test_a_plot_zooms_along_x_with_its_own_ticks_and_a_way_back(visit):
    page = visit.open(record_address("Alpha"))
    figure = plot_of(page, "training")
    svg = figure.locator("svg").first
    labels = "svg => [...svg.querySelectorAll('.label.middle text')].map(t => t.textContent)"
    whole = svg.evaluate(labels)
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], middle)
    page.mouse.up()
    near = svg.evaluate(labels)
    assert near != whole
    assert len(near) >= 5  # with the names of the axes
    figure.get_by_role("button", name="Reset zoom").press("Enter")
    assert svg.evaluate(labels) == whole
    svg.press("+")
    assert svg.evaluate(labels) != whole
    svg.press("0")
    assert svg.evaluate(labels) == whole


def test_a_name_fades_the_other_lines(visit):
    page = visit.open(record_address("Alpha"))
    figure = plot_of(page, "switch")
    figure.locator(".name", has_text="probe").hover()
    assert figure.locator("g.faded").count() == 1


def test_a_plot_drawn_again_is_the_one_of_the_build(visit):
    page = visit.open(record_address("Alpha"))
    read = """key => [...document.querySelectorAll(`figure[data-key=${key}] svg text`)]
        .filter(t => !t.closest('.over')).map(t => [t.textContent, t.getAttribute('x')]).sort()"""
    plain = visit.context.browser.new_context(java_script_enabled=False)
    built = plain.new_page()
    built.goto(page.url)
    for key in ("velocity", "training", "lags", "switch", "benefit", "references", "scale"):
        plot_of(page, key)
        texts = built.locator(f"figure[data-key={key}] svg text").evaluate_all(
            "all => all.map(t => [t.textContent, t.getAttribute('x')]).sort()"
        )
        found = page.evaluate(read, key)
        assert [text for text, _ in found] == [text for text, _ in texts], key
        for (_, x), (_, y) in zip(found, texts, strict=True):
            assert (x is None) == (y is None)
            assert x is None or float(x) == pytest.approx(float(y), abs=0.3)
    plain.close()


@pytest.mark.parametrize("kind", ["SVG", "PNG", "CSV"])
def test_a_plot_downloads(visit, kind):
    page = visit.open(record_address("Alpha"))
    figure = plot_of(page, "velocity")
    with page.expect_download() as found:
        figure.get_by_role("button", name=f"{kind}: ").click()
    assert found.value.suggested_filename == f"velocity.{kind.lower()}"
    content = Path(found.value.path()).read_bytes()
    start = {"SVG": b"<svg ", "PNG": b"\x89PNG", "CSV": b"step,seed 0,"}[kind]
    assert content.startswith(start)
    if kind == "CSV":
        rows = content.decode().splitlines()
        kernel = make_record(make_spec(title="Alpha")).seeds[0].kernel
        assert len(rows) == len(kernel.steps)
        assert float(rows[1].split(",")[1]) == pytest.approx(
            (1 - kernel.primary.G()[0, 1]) / kernel.steps[1], rel=1e-4
        )


def test_the_table_of_a_plot_has_every_row_once_opened(visit):
    page = visit.open(record_address("Alpha"))
    figure = plot_of(page, "training")
    assert figure.locator("tbody tr").count() == 6
    figure.locator("summary").click()
    wait_until(
        page, "document.querySelectorAll('figure[data-key=training] tbody tr').length === 23"
    )


def test_every_seed_can_be_chosen(visit):
    page = visit.open(record_address("Alpha"))
    plot_of(page, "scale")
    captions = page.locator("[data-seeds] figcaption")
    assert captions.count() == 4
    page.locator("#seed").select_option("2")
    assert all("eed 2" in caption for caption in captions.all_inner_texts())
    assert address(page) == "#seed=2"
    page = visit.open(f"{record_address('Alpha')}#seed=1&step=400")
    assert page.locator("#seed").input_value() == "1"
    assert page.locator("#now").inner_text().startswith("step 400 · ")
    assert all("eed 1" in caption for caption in captions.all_inner_texts())


def test_the_path_of_the_kernel_turns(visit):
    page = visit.open(record_address("Alpha"))
    figure = plot_of(page, "path")
    svg = figure.locator("svg").first
    places = lambda: svg.locator(".dot").evaluate_all(  # noqa: E731
        "all => all.map(dot => dot.getAttribute('cx'))"
    )
    seen = [places()]
    svg.press("ArrowLeft")
    seen.append(places())
    svg.press("+")
    seen.append(places())
    figure.get_by_role("button", name="Turn right").press("Enter")
    seen.append(places())
    box = svg.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 120, steps=3)
    page.mouse.up()
    seen.append(places())
    assert len({tuple(each) for each in seen}) == 5
    svg.press("0")
    assert places() == seen[0]


def test_the_command_is_copied(browser, base):
    visit = Visit(browser, base, permissions=["clipboard-read", "clipboard-write"])
    page = visit.open(record_address("Alpha"))
    page.get_by_text("Reproduce", exact=True).click()
    page.get_by_role("button", name="Copy the command").click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "conebench run synthetic.yaml"
    visit.finish()
