"""Scales, ticks and data of plots."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import make_record, make_spec

from conebench.record import Record
from conebench.site.charts.data import told
from conebench.site.charts.drawing import (
    Rule,
    Scale,
    Series,
    compact,
    draw,
    horizontal,
    line_through,
    vertical,
)
from conebench.site.charts.heatmap import draw_heatmap
from conebench.site.charts.plot import Plot, evenly
from conebench.site.record_page.panels import panels_of


def all_plots(record: Record) -> list[Plot]:
    return [plot for panel in panels_of(record) for plot in panel.plots]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    ("low", "high"), [(1, 1000), (3, 7), (0.02, 0.021), (1e-7, 1e-2), (5, 160_000), (0.5, 1e6)]
)
def test_ticks_lie_on_the_axis_in_order_and_do_not_collide(low, high, log):
    scale = horizontal([low, high], log=log)
    ticks = scale.ticks(compact)
    places = [tick.at for tick in ticks]
    assert 2 <= len(ticks) <= 11
    assert all(min(scale.start, scale.end) <= at <= max(scale.start, scale.end) for at in places)
    assert all(b - a >= 20 for a, b in itertools.pairwise(places))
    assert len({tick.label for tick in ticks}) == len(ticks)


@pytest.mark.parametrize("values", [[], [3.0], [3.0, 3.0], [0.0]])
@pytest.mark.parametrize("log", [False, True])
def test_an_axis_of_no_length_still_has_one(values, log):
    scale = vertical(values, log=log)
    assert scale.low < scale.high
    assert scale.ticks(compact)


def test_what_a_log_axis_cannot_show_is_put_at_its_edge():
    scale = horizontal([5, 1000], log=True)
    assert scale.at(0) == scale.start
    assert scale.at(10**9) == scale.end


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (0, "0"),
        (0.05, "0.05"),
        (-0.2, "-0.2"),
        (1000, "1,000"),
        (20_000, "20k"),
        (3e6, "3M"),
        (1e-5, "10⁻⁵"),
        (5e-7, "5×10⁻⁷"),
    ],
)
def test_labels_are_short(value, label):
    assert compact(value) == label


def test_a_missing_point_breaks_the_line():
    points = [(0.0, 1.0), (1.0, 2.0), None, (3.0, 1.0), (4.0, 2.0)]
    drawing = draw(horizontal([0, 4]), vertical([1, 2]), ("x", "y"), [Series("a", "c0", points)])
    assert drawing.paths[0].data.count("M") == 2


@pytest.mark.parametrize(("count", "limit"), [(1, 64), (64, 64), (163, 64), (5000, 40)])
def test_thinning_keeps_both_ends_and_even_gaps(count, limit):
    chosen = evenly(count, limit)
    assert len(chosen) == min(count, limit)
    assert (chosen[0], chosen[-1]) == (0, count - 1)
    gaps = np.diff(chosen)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("most", [1.0, 0.3])
def test_every_cell_of_the_heat_map_has_its_color(most):
    S = np.random.default_rng(0).uniform(0, most, size=(7, 7))
    painted = np.full((396, 464), -1)
    for path in draw_heatmap(S, np.arange(7) * 10, 30).paths:
        for cell in path.data.split("z")[:-1]:
            left, top, width, height, back = map(int, re.findall(r"-?[0-9]+", cell))
            assert (width > 0, height > 0, back) == (True, True, -width)
            painted[top : top + height, left : left + width] = int(
                path.style.removeprefix("cell h")
            )
    assert (painted[12:, 80:] >= 0).all()
    # The first and the last cell reach halfway to their one neighbor.
    middles = np.array([16, *range(64, 384, 64), 368])
    expected = np.floor(np.degrees(np.arccos(1 - S)) / 90 * 32)
    np.testing.assert_array_equal(painted[np.ix_(395 - middles, 80 + middles)], expected)


def test_a_line_is_where_its_points_are():
    data = line_through([(80, 22.34), (81.6, 20), (80.2, 20), (80.2, 300.1)])
    assert data == "M80 22.3l1.6-2.3-1.4 0 0 280.1"
    # The steps lead there: no rounding adds up.
    points = np.random.default_rng(1).uniform(0, 500, size=(200, 2)).round(1)
    numbers = list(map(float, re.findall(r"-?[0-9.]+", line_through(points.tolist()))))
    np.testing.assert_allclose(np.cumsum(np.reshape(numbers, (-1, 2)), axis=0), points, atol=1e-9)
    assert line_through([(1, 2)]) == "M1 2"


def test_a_kernel_that_never_moves_is_drawn():
    drawing = draw_heatmap(np.zeros((3, 3)), np.array([0, 10, 20]), None)
    assert [path.style for path in drawing.paths] == ["cell h0"]


def test_long_trajectories_are_thinned_and_the_page_says_so():
    training = {
        "steps": 4000,
        "batch_size": 64,
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
        "schedule": {"name": "multistep", "milestones": [0.5, 0.75]},
    }
    kernel = {"samples": 50, "checkpoints": {"every": 40}}
    record = make_record(
        make_spec(training=training, kernel=kernel, switching={"steps": [40, 4000 // 2]})
    )
    plots = {plot.key: plot for plot in all_plots(record)}
    assert "64 of 101 checkpoints, evenly" in plots["distance"].caption
    assert plots["velocity"].page_table.note == "6 of 100 checkpoints, evenly"
    assert len(plots["velocity"].page_table.rows) == 6
    few = plots["distance"].page_table
    assert few.note == "5 of 101 checkpoints, evenly"
    assert [row[0] for row in few.rows] == list(few.head[1:])
    assert [row[i] for i, row in enumerate(few.rows, start=1)] == ["0"] * 5
    names = [name.text for name in plots["velocity"].drawing.names]
    assert names == ["late window, from w", "T*", "learning-rate drop", "mean of 5 seeds"]


def test_the_table_of_a_plot_has_every_point():
    record = make_record(make_spec(kernel={"samples": 50, "checkpoints": {"every": 10}}))
    steps = [f"{step:,}" for step in record.seeds[0].kernel.steps]
    plots = {plot.key: plot for plot in all_plots(record)}
    for key in ("distance", "path", "references", "training", "scale"):
        assert [row[0] for row in plots[key].table.rows] == steps, key
    assert [row[0] for row in plots["velocity"].table.rows] == steps[1:]
    assert list(plots["distance"].table.head[1:]) == steps


@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
    low=st.floats(1e-3, 10),
    log=st.booleans(),
)
def test_many_values_stand_where_each_stands(values, low, log):
    scale = Scale(low, 100.0, 80, 614, log)
    assert scale.every(values) == pytest.approx([scale.at(value) for value in values], abs=0.11)


@pytest.mark.parametrize(
    ("value", "span", "found"),
    [
        (0.0, 1, 0),
        (0.505172, 0.6, 0.5052),
        (0.00123456, 0.6, 0.001235),
        (-93.4437, 100, -93.44),
        (12_345.0, 20_000, 12_340),
        (1e-300, 1.0, 1e-300),
        (5e15, 1e16, 5_000_000_000_000_000),
        # On a short axis, more digits keep its points apart.
        (95.12345, 0.05, 95.12345),
        (95.123456789, 1.0, 95.1235),
    ],
)
def test_values_of_a_plot_have_the_digits_that_it_shows(value, span, found):
    assert told(value, span) == found


@given(
    st.floats(1e-9, 1e9),
    st.floats(-1, 1),
    st.floats(0, 1),
)
def test_no_rounded_value_moves_visibly(span, offset, share):
    value = 100 * offset * span + share * span
    # Less than a quarter of a pixel.
    assert told(value, span) == pytest.approx(value, abs=span / 1200, rel=6e-4)
    assert abs(told(value, span) - value) <= span / 2000


def test_names_of_rules_stand_above_the_frame():
    rules = [Rule("late window, from w", "boundary", 3.0), Rule("T*", "settling", 2.0)]
    plain, named = (
        draw(horizontal([0, 9]), vertical([0, 9]), ("x", "y"), [], upright=upright)
        for upright in ([], rules)
    )
    (_, top, _, height), (_, above, _, _) = named.frame, plain.frame
    assert top > above
    assert top + height == above + plain.frame[3]
    assert all(name.y < top for name in named.names)
    assert named.y.at(named.y.high) == top
