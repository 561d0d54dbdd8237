"""conebench.site.record_page.views: the late window of every view."""

import numpy as np
from parsed_pages import page_of
from synthetic import make_record, make_spec

from conebench.site.record_page.views import views_table

SUMMED = {"samples": 50, "outputs": "sum", "checkpoints": {"every": 50}}


def test_every_view_has_the_means_of_its_late_windows() -> None:
    record = make_record()
    table = views_table(record)
    assert table is not None
    assert [row[0] for row in table.rows] == ["trace", "full", "sum"]
    for index, row in enumerate(table.rows):
        windows = [(seed.windows or [])[index].figures for seed in record.seeds]
        turn, cone = ([getattr(w, name) for w in windows] for name in ("turn_deg", "cone_deg"))
        assert row[1:3] == (f"{np.mean(turn):.1f}°", f"{np.mean(cone):.1f}°")
    assert "Other views of the kernel" in page_of(record).text


def test_a_frozen_kernel_has_a_turn_but_no_exponent() -> None:
    table = views_table(make_record(noise=0))
    assert table is not None
    cells = dict(zip(table.head, table.rows[0], strict=True))
    assert (cells["Turn"], cells["α"], cells["VR"]) == ("60.0°", "–", "–")


def test_a_single_view_has_no_table() -> None:
    record = make_record(make_spec(kernel=SUMMED))
    assert views_table(record) is None
    assert "Other views" not in page_of(record).text
