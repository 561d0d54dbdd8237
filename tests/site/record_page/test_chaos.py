"""The chaos probe on a record's page: a table and a plot."""

import pytest
from synthetic import make_record, make_spec

from conebench.record import Record
from conebench.site.board.rows import row_of
from conebench.site.pages import record_page
from conebench.site.record_page.chaos import chaos_plots, chaos_table

PAIRS = [[0, 1000], [50, 1000], [100, 1000], [50, 500]]
LOST = {
    "status": "diverged",
    "diverged_at": 120,
    "losses": None,
    "barrier": None,
    "disagreement": None,
    "parameter_dissimilarity": None,
    "S": None,
}


def probed(pairs: list[list[int]] = PAIRS, **changes: object) -> Record:
    return make_record(make_spec(chaos={"pairs": pairs, "sigma": 0.25}, **changes))


def diverged(record: Record, pair: int, seeds: int) -> Record:
    """Return the record with one pair diverged in its first seeds."""
    changed = []
    for seed in record.seeds:
        results = list(seed.chaos or ())
        if len(changed) < seeds:
            results[pair] = results[pair].model_copy(update=LOST)
        changed.append(seed.model_copy(update={"chaos": results}))
    return record.model_copy(update={"seeds": changed})


def test_a_record_without_the_probe_shows_none() -> None:
    record = make_record()
    assert chaos_table(record) is None
    assert chaos_plots(record) == []
    page = record_page(record, row_of(record, record.id), "")
    assert "Chaos probe" not in page
    assert "perturbed" not in page


def test_the_page_shows_every_pair_of_every_seed() -> None:
    record = diverged(probed(), pair=1, seeds=1)
    table = chaos_table(record)
    assert table is not None
    assert len(table.rows) == len(PAIRS) * len(record.seeds)
    assert table.rows[0] == (
        *("0", "0", "1,000", "1", "0.25, 0.25", "25.0", "0.5", "0.125", "finished"),
    )
    assert table.rows[1] == ("0", "50", "1,000", *["–"] * 5, "diverged at step 120")
    page = record_page(record, row_of(record, record.id), "")
    assert page.count("Chaos probe") == 1
    assert "perturbed at step t0 by σ = 0.25" in page
    assert "None" not in page


def test_the_plot_has_a_line_for_each_t1_and_means_over_seeds() -> None:
    plot = chaos_plots(diverged(probed(), pair=1, seeds=1))[0]
    # Heights at t0 = 0 are 1, 1.1, 1.2, 1.3 and 1.4.
    assert plot.table.rows[1] == ("0", "1,000", "1.2", "[1, 1.4]", "5 of 5")
    assert plot.table.rows[2][4] == "4 of 5"
    names = ["late window, from w", "T*", "t1 = 1,000", "t1 = 500"]
    assert sorted(name.text for name in plot.drawing.names) == sorted(names)
    assert plot.drawing.legend == ()
    assert len(plot.drawing.dots) == len(PAIRS)


@pytest.mark.parametrize("seeds", [[4], [0, 1, 2]])
def test_a_pair_that_every_seed_lost_is_a_dash(seeds: list[int]) -> None:
    record = probed([[0, 1000]], seeds=seeds)
    plot = chaos_plots(diverged(record, pair=0, seeds=len(seeds)))[0]
    assert plot.table.rows == (("0", "1,000", "–", "–", f"0 of {len(seeds)}"),)
    assert not plot.drawing.dots


def test_many_t1_share_one_color_without_lines() -> None:
    plot = chaos_plots(probed([[t, t + 50] for t in range(0, 500, 50)]))[0]
    assert [key.name for key in plot.drawing.legend] == ["one dot per pair"]
    assert (len(plot.drawing.dots), len(plot.drawing.paths)) == (10, 0)
