"""The Findings page, of simulated studies and of built sites."""

import csv
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import NARROW, WIDE, Visit, chromium, served
from parsed_pages import Page
from simulated_study import simulate, study_specs
from site_folders import save_all
from study_records import study_record
from synthetic import make_record

from conebench.site import build_site
from conebench.site.findings_page.page import findings_page, index_sentences
from conebench.site.findings_page.tables import outcome_table
from conebench.study.outcomes import outcome_rows
from conebench.study.plan import BLOCKS, CENTER

NAMES = (
    *(CENTER, "study-b-group-norm", "study-b-no-norm", "study-b-batch-16", "study-b-batch-256"),
    *("study-r-center", *(f"study-f-probe-seed-{i}" for i in (1, 2, 3))),
)
PARTS = ("findings", "forest", "doses", "shares", "outcomes", "measurement", "predictions")
TRUE = {"turn": lambda levels: -4.0 * (levels["output scale"] > 1)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with a part of the study, and one record of another spec."""
    folder = tmp_path_factory.mktemp("study")
    records = [study_record(study_specs()[name]) for name in NAMES]
    save_all([*records, make_record()], folder / "records")
    return build_site([folder / "records"], folder / "site").index.parent


def test_a_whole_study_has_every_part() -> None:
    page = findings_page([], list(simulate(TRUE).values()))
    for part in (*PARTS, "papers", "scope"):
        assert f'id="{part}"' in page.html
    keys = [plot.key for plot in page.plots]
    assert len(keys) == len(set(keys))
    assert sum(key.startswith("forest-") for key in keys) == 8
    assert sum(key.startswith("dose-") for key in keys) == 8 * 5
    assert {"shares-A", "shares-C"} <= set(keys)
    assert sum(key.startswith("interaction-") for key in keys) == 6
    assert "Cells without a record" not in page.html
    assert "nan" not in page.html


def test_marks_of_a_forest_plot_are_the_effects_of_its_table() -> None:
    page = findings_page([], list(simulate(TRUE).values()))
    plot = next(plot for plot in page.plots if plot.key == "forest-turn")
    blocks = [row for row in plot.table.rows if row[1] != "A to D together"]
    assert len(plot.drawing.dots) == len(blocks)
    assert len(plot.drawing.paths) == len(plot.table.rows) - len(blocks)
    zero = next(s.x1 for s in plot.drawing.segments if s.style == "level-full")
    marked = dict(zip([row[0][:3] for row in blocks], plot.drawing.dots, strict=True))
    cells = {row[0][:3]: row[2] for row in blocks}
    assert cells["H4a"].startswith("−")
    assert marked["H4a"].x < zero < max(dot.x for dot in plot.drawing.dots)


def test_an_empty_study_says_so_and_an_unfinished_one_names_its_cells() -> None:
    empty = findings_page([], []).html
    assert "There is no record of the study yet" in empty
    assert 'id="forest"' not in empty
    # The scope is that of the study's networks.
    assert "3 to 300 thousand parameters" not in empty
    part = findings_page([], list(simulate(names=[CENTER, *BLOCKS["B"]]).values())).html
    assert "Cells without a record" in part
    assert "Block A is not decomposed yet: 16 of its cells have no record." in part
    assert "study-e-vit-sgd" in part
    assert "3 to 300 thousand parameters" in part
    assert "H1a, H2 and the like are hypotheses of the plan" in part
    assert "the other lines had no prediction" in part


def test_records_that_only_have_the_names_of_cells_leave_a_page() -> None:
    """Anybody may name a spec study-a-..., whatever its network."""
    cells = [replace(cell, levels={"learning rate": "x"}) for cell in simulate(TRUE).values()]
    page = findings_page([], cells)
    assert 'id="outcomes"' in page.html
    assert not any(plot.key.startswith("dose-width") for plot in page.plots)


def test_outcomes_of_a_level_say_in_how_many_cells_they_are() -> None:
    cells = simulate(TRUE)
    for name in ("study-a-none-lr0.04-b16-w4", "study-b-lr-0.2"):
        seeds = [replace(seed, outcome="diverged") for seed in cells[name].seeds]
        cells[name] = replace(cells[name], seeds=tuple(seeds))
    rows = {row[:3]: row[-1] for row in outcome_table(outcome_rows(cells)).rows}
    assert rows["4", "A", "width"] == "5 in 1 cell [4, 27 %]"
    assert rows["16", "A", "width"] == "0 [0, 9 %]"
    assert rows["study-b-lr-0.2", "B", "–"] == "5 [48, 100 %]"


def test_findings_stand_beside_those_with_recalibrated_statistics() -> None:
    html = findings_page([], list(simulate(TRUE).values())).html
    assert "24 of its 24 cells have a record" in html
    assert "Each test with running and with recalibrated statistics" in html
    without = [cell for cell in simulate(TRUE).values() if not cell.spec.startswith("study-r-")]
    html = findings_page([], without).html
    assert "with recalibrated statistics" not in html


def test_the_index_has_the_claim_and_up_to_three_findings() -> None:
    claim, *sentences = index_sentences(simulate(TRUE).values())
    assert claim == (
        "Of 93 set-ups of the study, the kernel moves in 93 and is confined in 93; non-linear "
        "training after w adds accuracy in 93 (95 % intervals)."
    )
    assert 1 <= len(sentences) <= 3
    assert sentences[0].startswith("A larger output scale: turn −")
    assert index_sentences([]) == []


def test_files_of_the_site(site: Path) -> None:
    table = pd.read_parquet(site / "findings.parquet")
    with (site / "findings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(table)
    assert set(table.spec) == {*NAMES, "synthetic"}
    turn = table[(table.spec == CENTER) & (table.response == "turn") & (table.view == "trace")]
    assert turn.seed.tolist() == [0, 1, 2, 3, 4]
    assert 'data-key="forest-cone"' in (site / "findings.html").read_text("utf-8")


def test_the_address_of_the_earlier_page_leads_here(site: Path) -> None:
    text = (site / "factors.html").read_text("utf-8")
    assert '<meta http-equiv="refresh" content="0; url=findings.html">' in text
    assert '<a href="findings.html">Findings</a>' in text


def test_links_of_the_page_lead_somewhere(site: Path) -> None:
    page = Page((site / "findings.html").read_text("utf-8"))
    for link in page.links:
        if not link.startswith(("https://", "#")):
            assert (site / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", WIDE), ("dark", NARROW)], ids=["wide, light", "phone, dark"]
)
def test_the_page_is_accessible_and_fits(site: Path, scheme: str, size: dict[str, int]) -> None:
    with served(site) as base, chromium() as browser:
        visit = Visit(browser, base, color_scheme=scheme, viewport=size, bypass_csp=True)
        page = visit.open("findings.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        found = Axe().run(page, options={"resultTypes": ["violations"]})
        assert found.violations_count == 0, found.generate_report()
        visit.finish()
