"""conebench.site.record_page.groups: groups of parameters on a record's page."""

import pytest
from parsed_pages import HOSTILE, page_of
from synthetic import make_record, make_spec, with_groups

from conebench.record import Record, recompute
from conebench.site.record_page.groups import groups_section

SPEC = make_spec(kernel={"samples": 50, "by": "stage", "checkpoints": {"every": 50}})
# The step at which each group settles, None for a kernel that is zero.
SETTLES = {"conv1": 150, "layers.0": 300, "late": 200, "unused": None}


@pytest.fixture(scope="module")
def record() -> Record:
    return with_groups(make_record(SPEC), SETTLES, late={"late": 50})


def test_without_groups_the_page_says_nothing_of_them() -> None:
    record = make_record()
    assert groups_section(record) is None
    assert "Groups of parameters" not in page_of(record).text


def test_groups_are_shown_in_order_with_means_over_seeds(record: Record) -> None:
    section = groups_section(record)
    assert section is not None
    rows = {row[0]: row[1:] for row in section.table.rows}
    assert list(rows) == list(SETTLES)
    for index, (name, settle) in enumerate(SETTLES.items()):
        found = [seed.groups[index] for seed in record.seeds if seed.groups]
        parameters, mean, each, turn, cone, *others = rows[name]
        assert parameters == f"{(record.seeds[0].kernel.groups or [])[index].parameters:,}"
        if settle is None:
            assert (mean, each, turn, cone) == ("–", ", ".join("–" * 5), "–", "–")
            assert others == ["–"] * 3
            continue
        starts = [g.phases.T_star for g in found if g.phases and g.phases.T_star is not None]
        angles = [g.window.cone_deg for g in found if g.window]
        assert len(starts) == len(angles) == 5
        assert (mean, each) == (f"{sum(starts) / 5:,.0f}", ", ".join(map(str, starts)))
        assert cone == f"{sum(angles) / 5:.1f}°"
    assert int(rows["conv1"][1]) < int(rows["layers.0"][1])
    assert "Kernels of seed 1: late is zero before step 50, " in section.table.note
    assert "unused is zero at the end." in section.table.note


def test_the_plot_has_a_line_a_group_and_a_dot_at_its_T_star(record: Record) -> None:
    section = groups_section(record)
    assert section is not None
    names = [name.text for name in section.plot.drawing.names]
    assert sorted(names) == ["conv1", "late", "layers.0"]
    assert len(section.plot.drawing.paths) == len(section.plot.drawing.dots) == 3
    table = section.plot.table
    assert table.head == ("Step", "conv1", "layers.0", "late")
    assert [row[0] for row in table.rows][:2] == ["0", "50"]
    assert table.rows[0][3] == "–"
    # S of the last checkpoint to itself is 0.
    assert table.rows[-1][1:] == ("0", "0", "0")


def test_of_many_groups_some_are_drawn_and_all_are_in_the_table() -> None:
    many = with_groups(make_record(SPEC), {f"layers.{i}": 100 + 10 * i for i in range(20)})
    section = groups_section(many)
    assert section is not None
    assert len(section.table.rows) == 20
    assert len(section.plot.drawing.paths) == 6
    assert "6 of 20 groups, evenly" in section.plot.caption


def test_the_page_is_well_formed_and_hides_nothing(record: Record) -> None:
    renamed = with_groups(make_record(SPEC), {HOSTILE: 100})
    for shown in (record, renamed):
        page = page_of(recompute(shown))
        assert "Groups of parameters" in page.text
        assert len(page.ids) == len(set(page.ids))
        assert set(page.references) <= set(page.ids)
        assert "None" not in page.text
        assert "\u202e" not in page.text
