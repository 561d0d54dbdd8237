"""Comparisons in a real browser."""

import pytest
from board_site import HOSTILE, address, ids_of
from browser import Visit, wait_until
from site_folders import save
from synthetic import BASE_SPEC, make_record, make_spec

from conebench.site import build_site


def test_ticked_records_are_compared_and_still_ticked_after_going_back(visit):
    page = visit.open("index.html#tab=all")
    assert page.locator("#tray").is_hidden()
    for name in ("Alpha", "Delta"):
        page.get_by_label(f"Compare {name}").check()
    assert page.locator("#tray li").count() == 2
    page.locator("#compare").press("Enter")
    page.locator("#comparison .name").first.wait_for()
    chosen = page.locator("#chosen a").all_inner_texts()
    assert sorted(chosen) == ["Alpha", "Delta"]
    assert sorted(address(page)[1:].split(",")) == sorted(ids_of("Alpha", "Delta").split(","))
    assert "different comparability groups" in page.locator("#groups").inner_text()
    page.go_back()
    page.locator("#tray").wait_for()
    assert page.get_by_label("Compare Alpha").is_checked()
    page.get_by_role("button", name="Remove Alpha").press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Remove Delta"
    page.get_by_role("button", name="Clear").click()
    assert page.locator("#tray").is_hidden()


def test_a_comparison_stands_in_the_address_and_hostile_names_stay_text(visit):
    page = visit.open(f"compare.html#{ids_of('Alpha', 'Beta', HOSTILE[:120])},ffffffff")
    page.locator("figure[data-key=velocity] .name").first.wait_for()
    assert page.locator("#chosen li").count() == 3
    head = page.locator("#figures-head th").last
    assert head.get_attribute("title").startswith("</script><script>alert(1)</script><img src=x")
    assert head.inner_text().startswith("</script")
    assert len(head.inner_text()) < 20
    assert page.locator("figure img").count() == 0
    cells = page.locator("tr[data-field=N] td").all_inner_texts()
    assert float(cells[0].split()[0]) == pytest.approx(make_record().summary.N.value, rel=1e-2)
    assert page.locator("#differ").inner_text() == "Their specs differ in:"
    differ = page.locator("#differences tbody tr").all_inner_texts()
    assert "training.optimizer.name\tsgd\tadam\tsgd" in differ
    assert not [row for row in differ if "undefined" in row]
    assert page.locator("tr[data-field=turn_deg] th").inner_text() == "turn, °"
    page.get_by_role("button", name="Remove Beta").press("Enter")
    wait_until(page, "document.querySelectorAll('#chosen li').length === 2")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"
    assert address(page).count(",") == 1
    for said in ("3 of at most 5 records.", "That record is there already."):
        page.locator("#pick").fill(f"Beta, {ids_of('Beta')}")
        page.locator("#said", has_text=said).wait_for()
    page.locator("#pick").fill("nobody")
    page.locator("#add").click()
    page.locator("#said", has_text="No such record").wait_for()


def test_curves_are_compared_over_steps_shares_or_logarithms_and_by_seed(visit):
    page = visit.open(f"compare.html#{ids_of('Alpha', 'Beta')}")
    page.locator("figure[data-key=S0] .name").first.wait_for()
    label = page.locator("figure[data-key=S0] .label.middle")
    assert page.locator("figure[data-key=S0] .area").count() == 2
    page.get_by_label("step / T").check()
    page.locator("figure[data-key=S0] text", has_text="step / T").wait_for()
    page.get_by_label("step, logarithmic").check()
    page.get_by_label("a line per seed").check()
    wait_until(page, "document.querySelectorAll('figure[data-key=S0] path.line.c0').length > 5")
    assert "500" in label.first.text_content()


LONG = "ResNet-8 (width 8) on scikit-learn’s 8x8 digits, learning rate "


def test_long_titles_are_told_apart_where_they_differ(browser, tmp_path):
    records = [make_record(make_spec(title=f"{LONG}{rate}")) for rate in ("0.005", "0.1")]
    for record in records:
        save(record, tmp_path / "records" / record.id)
    site = build_site([tmp_path / "records"], tmp_path / "site").index.parent
    visit = Visit(browser, site.as_uri())
    page = visit.open(f"compare.html#{','.join(record.id for record in records)}")
    page.locator("figure[data-key=S0] .name").first.wait_for()
    assert sorted(page.locator("figure[data-key=S0] .name").all_text_contents()) == ["0.005", "0.1"]
    assert page.locator("#chosen a").first.inner_text() == f"{LONG}0.005"
    visit.finish()


def test_specs_that_differ_in_name_and_seeds_are_not_called_the_same(browser, tmp_path):
    specs = (
        make_spec(name="first", title="Twin", seeds=[0, 1]),
        make_spec(name="second", title="Twin", seeds=[2, 3]),
        make_spec(name="third", title="Twin", seeds=[2, 3], training=FASTER),
    )
    first, second, third = records = [
        *(make_record(spec) for spec in specs[:2]),
        make_record(specs[2], settle=1000, noise=0.001),  # alpha is above 1
    ]
    for record in records:
        save(record, tmp_path / "records" / record.id)
    site = build_site([tmp_path / "records"], tmp_path / "site").index.parent
    visit = Visit(browser, site.as_uri())
    page = visit.open(f"compare.html#{first.id},{second.id}")
    differ = page.locator("#differ", has_text="Their specs")
    assert differ.inner_text() == "Their specs differ only in name and seeds."
    assert page.locator("#differences").is_hidden()
    names = [f"Twin ({r.spec.name}, {r.id})" for r in (first, second)]
    assert page.locator("#chosen a").all_inner_texts() == names
    heads = page.locator("#figures-head th")
    assert heads.all_inner_texts()[1:] == [first.id, second.id]
    assert [heads.nth(i).get_attribute("title") for i in (1, 2)] == names
    page = visit.open(f"compare.html#{second.id},{third.id}")
    page.locator("#differ", has_text="Their specs differ in:").wait_for()
    differ = page.locator("#differences tbody tr").all_inner_texts()
    assert differ == ["training.optimizer.learning_rate\t0.1\t0.2"]
    cells = page.locator("tr[data-field=CES] td").all_inner_texts()
    assert "cut" not in cells[0]
    assert cells[1].split(maxsplit=1) == ["0", "cut at 0: α above 1"]
    visit.finish()


FASTER = {
    **BASE_SPEC["training"],
    "optimizer": {**BASE_SPEC["training"]["optimizer"], "learning_rate": 0.2},
}
