"""Pages: well-formed, linked, escaped, and with the numbers of the record."""

import itertools
import re
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import synthetic
from parsed_pages import HOSTILE, Page, page_of
from site_folders import save_all
from synthetic import BASE_SPEC, make_record, make_replication, make_spec

from conebench.record import Record
from conebench.site import build_site
from conebench.site.board.rows import group_rows, row_of
from conebench.site.board.sentences import so_far
from conebench.site.documents import documents
from conebench.site.html.visible import visible
from conebench.site.pages import index_page
from conebench.site.record_page.tables import arms_table, stretches_table
from conebench.spec import load_spec, spec_text


def never_settling(monkeypatch: pytest.MonkeyPatch) -> Record:
    """Return a record whose kernel moves faster and faster."""

    def kernels(steps, **_):
        angle = np.radians(80) * (steps / steps[-1]) ** 3
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)

    with monkeypatch.context() as patch:
        patch.setattr(synthetic, "turning_kernels", kernels)
        return make_record(make_spec(title="Never settles"))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    records = [
        make_record(),
        make_record(make_spec(title=HOSTILE), noise=0.2),
        make_record(make_spec(title="One seed", seeds=[4])),
        never_settling(monkeypatch),
    ]
    save_all(records, tmp_path / "records")
    (tmp_path / "records" / "record.json").write_text("{}")
    return build_site([tmp_path / "records"], tmp_path / "site").index.parent


def pages_of(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}


def test_the_page_of_a_record_says_who_replicated_it_and_on_what():
    record = make_record()
    assert "Self-reported: nobody has run this record again" in page_of(record).text
    rounded = make_replication(record, "ben").model_copy(
        update={"tolerance": "rounding", "largest": {"cosine": 0.0123}, "seeds": [1]}
    )
    text = page_of(record, make_replication(record), rounded).text
    assert "Self-reported" not in text
    device, stack = "cpu: another, 2 CPU threads", "device: synthetic -> another"
    cells = ("anna", "2026-02-03T04:05:06Z", device, stack, "5 of 5: 0, 1, 2, 3, 4", "bits: equal")
    assert all(cell in text for cell in cells)
    assert "1 of 5: 1" in text
    assert "rounding: G within 0.01" in text


def test_every_page_is_well_formed(site):
    pages = pages_of(site)
    assert len(pages) == 10 + len(documents())
    for page in pages.values():
        assert len(page.ids) == len(set(page.ids))
        assert set(page.references) <= set(page.ids)
        assert page.headings[0] == 1
        assert page.headings.count(1) == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(page.headings))


def test_all_links_are_relative_and_lead_somewhere(site):
    """tests/docs/test_links.py tests the links of the documentation."""
    for path, page in pages_of(site).items():
        for link in page.links if path.parent.name != "docs" else ():
            parts = urlsplit(link)
            assert not parts.scheme
            assert not parts.netloc
            assert not link.startswith("/")
            if parts.path:
                assert (path.parent / parts.path).is_file(), link
            else:
                assert parts.fragment in page.ids


def test_no_page_calls_raw_data_checked(site):
    for path, page in pages_of(site).items():
        if path.parent.name != "docs":
            assert "Raw data are unchecked unless a record is replicated." in page.text
            assert "Every figure here is recomputed" not in page.text


def test_every_page_has_a_description_and_an_icon(site):
    for path in pages_of(site):
        text = path.read_text("utf-8")
        assert '<meta name="description" content="' in text
        assert '<meta property="og:title" content="' in text
        assert 'type="image/svg+xml"' in text


def test_no_page_holds_inline_scripts_or_styles(site):
    for path, page in pages_of(site).items():
        assert not {"style", "iframe", "form", "base"} & set(page.tags)
        assert "script" not in page.text_inside
        assert not [name for name in page.attributes if name == "style" or name.startswith("on")]
        assert "default-src &#39;none&#39;" in path.read_text("utf-8").replace("'", "&#39;")


def test_no_page_loads_files_of_others_and_the_policy_has_no_exceptions(site):
    policies = set()
    for path in pages_of(site):
        text = path.read_text("utf-8")
        assert "vendor" not in text or path.parent.name == "docs"
        policies.add(text.partition('Content-Security-Policy" content="')[2].partition('"')[0])
    (policy,) = policies
    assert "unsafe" not in policy
    assert "sha256" not in policy
    assert "http" not in policy


def test_hostile_text_is_shown_as_text(site):
    pages = pages_of(site)
    shown = "<script>alert(1)</script> \\u202e\\u2066 {{ 7 * 7 }} \" ' & %"
    assert shown in pages[site / "index.html"].text
    for page in pages.values():
        assert "\u202e" not in page.text
        assert "\u0007" not in page.text
    named = [path.relative_to(site).as_posix() for path in pages if shown in pages[path].text]
    assert named[:2] == ["compare.html", "data.html"]
    assert named[2] == "index.html"
    assert len(named) == 4  # and its own


def test_the_board_shows_each_figure_of_the_record_and_its_interval(site):
    text = (site / "index.html").read_text("utf-8")
    summary = make_record().summary
    for value, interval in (
        (f"{summary.CES.value:.1f}", f"[{summary.CES.low:.1f}, {summary.CES.high:.1f}]"),
        (f"{summary.N.value:.2f}", f"[{summary.N.low:.2f}, {summary.N.high:.2f}]"),
        (f"{0.0:.2f}", f"[{summary.alpha.low:.2f}, {summary.alpha.high:.2f}]"),
        (
            f"{100 * summary.benefit.value:.1f} points",
            f"[{100 * summary.benefit.low:.1f}, {100 * summary.benefit.high:.1f}]",
        ),
    ):
        assert f">{value} <small>{interval}</small></td>" in text


def test_undefined_figures_are_a_dash_with_the_reason_in_words():
    page = page_of(make_record(make_spec(switching={"steps": [100]}), noise=0))
    text = " ".join(page.text.split())
    assert "Not ranked (frozen in 5 of 5 seeds)." in text
    assert "Each seed (frozen: 5 of 5)" in text
    assert "no arm at w = 300" in page.text
    assert "–" in page.text
    assert "nan" not in page.text.lower().replace("provenance", "")
    assert "None" not in page.text


def test_a_record_without_a_cone_gives_its_reason_once_and_one_seed_is_no_seeds():
    training = {**BASE_SPEC["training"], "schedule": {"name": "cosine"}}
    page = page_of(make_record(make_spec(training=training, seeds=[3])))
    text = " ".join(page.text.split())
    why = "(no constant learning rate in 1 of 1 seed; 1 seed, a rank needs 5)."
    assert f"Not ranked: no cone was measured {why}" in text
    assert text.count(why) == 1
    assert "of 1 seeds" not in text
    assert "of 1 seeds" not in page_of(make_record(make_spec(seeds=[3]))).text


def test_a_record_of_the_study_leads_to_its_block_and_explains_its_symbols():
    spec = make_spec(name="study-f-float64")
    page = page_of(make_record(spec))
    assert "../findings.html#measurement" in page.links
    assert "about-symbols" in page.ids
    for text in ("S Distance between two kernels", "w Start of the late window"):
        assert text in " ".join(page.text.split())


def test_one_seed_has_no_interval_and_no_rank(site):
    text = (site / "index.html").read_text("utf-8")
    assert '<span class="badge why">few seeds</span>' in text
    record = make_record(make_spec(title="One seed", seeds=[4]))
    assert "Not ranked (1 seed, a rank needs 5)." in " ".join(page_of(record).text.split())


def test_a_diverged_arm_says_at_which_step():
    record = make_record()
    seed = record.seeds[0]
    lost = seed.arms[2].model_copy(
        update={"status": "diverged", "diverged_at": 1234, "test_accuracy": None, "test_loss": None}
    )
    arms = [*seed.arms[:2], lost, *seed.arms[3:]]
    seeds = [seed.model_copy(update={"arms": arms}), *record.seeds[1:]]
    page = page_of(record.model_copy(update={"seeds": seeds}))
    assert "diverged at step 1,234" in page.text


def test_an_arm_says_which_learning_rate_it_had_or_chose():
    record = make_record()
    assert "Learning rate" in page_of(record).text
    held_out = record.spec.dataset.model_copy(update={"validation_size": 100})
    for rates, own, shown in (
        ("inherit", None, "schedule"),
        (0.025, None, "0.025"),  # records before schema 1.2 have it in the spec alone
        (0.025, 0.025, "0.025"),
        ((0.5, 0.125), 0.125, "0.125"),
    ):
        choice = record.spec.linearization.model_copy(update={"learning_rate": rates})
        spec = record.spec.model_copy(update={"linearization": choice, "dataset": held_out})
        seed = record.seeds[0]
        lazy = seed.arms[1].model_copy(update={"learning_rate": own})
        seeds = [seed.model_copy(update={"arms": [seed.arms[0], lazy]})]
        table = arms_table(record.model_copy(update={"spec": spec, "seeds": seeds}))
        assert [row[:2] for row in table.rows] == [("full", "schedule"), ("lazy", shown)]
        assert ("validation images" in table.note) is isinstance(rates, tuple)


def test_a_curve_on_some_of_the_test_images_says_so():
    record = make_record()
    said = f"of the {record.data.test_images:,} test images"
    assert said not in page_of(record).text
    seed = record.seeds[0]
    counts = [100] * (len(seed.training.steps) - 1) + [record.data.test_images]
    curve = seed.training.model_copy(update={"test_images": counts})
    seeds = [seed.model_copy(update={"training": curve}), *record.seeds[1:]]
    text = page_of(record.model_copy(update={"seeds": seeds})).text
    assert f"Before the end, tested on 100 {said}." in text


def test_disagreeing_estimators_are_named():
    page = page_of(make_record(noise=0.15, settle=300))
    assert "differ by more than a factor of 2" in page.text


def test_small_machines_are_named():
    page = page_of(make_record())
    assert "cpu: synthetic, 2 CPU threads" in page.text
    assert "side by side" not in page.text
    record = make_record()
    made = record.provenance.model_copy(update={"jobs": 4})
    page = page_of(record.model_copy(update={"provenance": made}))
    assert "2 CPU threads in each of 4 processes side by side" in page.text


@pytest.mark.parametrize("length", [{"steps": 1000}, {"epochs": 10}])
def test_the_spec_on_the_page_runs_again_under_the_same_hash(tmp_path, length):
    training = {
        **length,
        "batch_size": 64,
        "optimizer": {"name": "adam", "learning_rate": 1e-3, "eps": 1e-8},
    }
    kernel = {"samples": 50, "checkpoints": {"every": 10}}
    spec = make_spec(
        training=training, kernel=kernel, switching={"steps": [100]}, title='no: "x" # y'
    )
    path = tmp_path / "synthetic.yaml"
    path.write_text(spec_text(spec), encoding="utf-8")
    assert load_spec(path).hash == spec.hash


def test_hidden_characters_are_written_out():
    assert visible("a\u200f\u0000\tb\nc") == "a\\u200f\\u0000\\u0009b\nc"
    assert visible("Größe, 数据, שלום") == "Größe, 数据, שלום"


def test_without_records_the_board_says_how_to_make_one(tmp_path):
    (tmp_path / "records").mkdir()
    page = Page(build_site([tmp_path / "records"], tmp_path / "site").index.read_text("utf-8"))
    assert "conebench run specs/digits.yaml" in page.text
    assert "table" not in page.tags
    assert "So far" not in page.text


def test_the_board_says_what_the_study_found_or_counts_its_records() -> None:
    record = make_record()
    groups = group_rows([row_of(record, record.id)])
    counts = so_far(groups)
    assert len(counts) == 2
    for findings, expected in (([], counts), (["A finding."], ["A finding."])):
        text = index_page(groups, [], findings)
        said = re.search(r'aria-label="So far">(.*?)</ul>', text, re.DOTALL)
        assert re.findall("<li>(.*)</li>", said[1]) == expected


def test_cones_after_drops_are_shown() -> None:
    schedule = {"name": "multistep", "milestones": [0.6]}
    record = make_record(make_spec(training={**BASE_SPEC["training"], "schedule": schedule}))
    table = stretches_table(record)
    assert table is not None
    assert [row[:2] for row in table.rows] == [(str(s), "600 to 1,000") for s in range(5)]
    (found,) = record.seeds[1].stretches
    assert table.rows[1][4:] == (f"{found.half_angle_deg:.1f}°", f"{found.axis_turn_deg:.1f}°")
    page = page_of(record).text
    assert page.count("After drops of the learning rate") == 1
    assert stretches_table(make_record()) is None
    assert "After drops" not in page_of(make_record()).text
