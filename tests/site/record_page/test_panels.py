"""conebench.site.record_page.panels: all plots of a record, and single ones for notebooks."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from parsed_pages import HOSTILE
from synthetic import BASE_SPEC, make_record, make_spec, with_groups

from conebench.analysis.cone import to_axis_deg
from conebench.record import Record
from conebench.site.charts.path import _turned
from conebench.site.charts.plot import Plot
from conebench.site.record_page.of_seed import (
    MAX_SEEDS,
    SEED_PLOTS,
    differences,
    path_plot,
    seed_data,
)
from conebench.site.record_page.panels import panels_of, plot

COSINE = {**BASE_SPEC["training"], "schedule": {"name": "cosine"}}


def plots(record: Record) -> dict[str, Plot]:
    return {item.key: item for panel in panels_of(record) for item in panel.plots}


@pytest.fixture(scope="module")
def everything() -> dict[str, Plot]:
    spec = make_spec(chaos={"pairs": [[0, 100], [100, 500]]}, kernel=BY_STAGE)
    return plots(with_groups(make_record(spec), {"conv1": 150, "late": 200}))


BY_STAGE = {"samples": 50, "by": "stage", "checkpoints": {"every": 50}}


def test_the_first_row_is_the_path_the_angle_and_accuracy():
    first, *others = panels_of(make_record())
    assert [item.key for item in first.plots] == ["path", "angle", "training"]
    assert [panel.title for panel in others] == ["Motion", "Switching", "Spectrum"]


def test_every_plot_has_its_numbers_and_its_table(everything):
    assert {"chaos", "layers", "lags", "benefit", "curves", "switch"} <= set(everything)
    for item in everything.values():
        json.dumps(item.data, allow_nan=False)
        assert item.data, item.key
        assert item.table.rows, item.key
        assert item.title[0].isupper()


def test_a_notebook_shows_a_plot_that_stands_alone():
    record = make_record()
    for key in plots(record):
        text = plot(record, key)._repr_svg_()
        root = ET.fromstring(text)  # noqa: S314  # our own text
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(" not in text
        assert "currentColor" not in text
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    with pytest.raises(KeyError, match="no plot 'pat', expected one of: path, angle"):
        plot(record, "pat")


def test_every_class_of_a_drawing_has_a_rule():
    record = make_record()
    for key in plots(record):
        text = plot(record, key).svg()
        used = {name for names in re.findall(r'class="([^"]*)"', text) for name in names.split()}
        assert used <= set(re.findall(r"\.([a-z][a-z0-9-]*)", text)), key


def test_hostile_names_of_groups_stay_text_in_a_picture():
    record = with_groups(make_record(make_spec(kernel=BY_STAGE)), {HOSTILE: 100})
    text = plot(record, "layers").svg()
    assert "<script" not in text
    assert "\u202e" not in text


def test_the_path_keeps_angles_to_the_axis_and_one_scale():
    record = make_record()
    item, seed = plots(record)["path"], record.seeds[0]
    points = np.array(item.data["path"])
    steps = np.array(seed.kernel.steps)
    members = np.flatnonzero((steps >= 300) & (steps % 50 == 0))
    angles = np.degrees(np.arctan2(np.linalg.norm(points[:, 1:], axis=1), points[:, 0]))
    assert angles == pytest.approx(to_axis_deg(seed.kernel.primary.G(), members), abs=0.02)
    assert angles[0] == pytest.approx(seed.window.turn_deg, abs=0.02)
    assert item.data["cone"] == pytest.approx(seed.window.cone_deg, rel=1e-4)
    # Both axes of the drawing have one scale.
    dots = np.array([(dot.x, dot.y) for dot in item.drawing.dots])
    seen = _turned(points)
    spans = np.ptp(dots, axis=0) / np.ptp(seen, axis=0)
    assert spans[0] == pytest.approx(spans[1], rel=1e-2)


def test_without_a_late_window_the_path_has_no_cone_and_there_is_no_angle():
    found = plots(make_record(make_spec(training=COSINE)))
    assert "angle" not in found
    assert "lags" not in found
    assert found["path"].data["cone"] is None
    assert not found["path"].drawing.segments


def test_the_memoryless_walk_has_the_steps_of_the_record():
    record = make_record()
    item = plots(record)["lags"]
    rows = {row[0]: [float(cell) for cell in row[1:]] for row in item.table.rows}
    # Over one interval the walk is where the kernel is.
    assert rows["50"][-1] == pytest.approx(np.mean(rows["50"][:-1]), rel=1e-2)
    # A kernel that jitters about an axis gets no farther, the walk does.
    assert rows["300"][-1] > 3 * np.mean(rows["300"][:-1])


def test_the_velocity_stands_at_the_end_of_its_interval():
    record = make_record()
    item = plots(record)["velocity"]
    kernel = record.seeds[0].kernel.primary
    assert item.table.rows[0][0] == "5"
    assert float(item.table.rows[0][1]) == pytest.approx((1 - kernel.gram[1][0]) / 5, rel=1e-2)


def test_seeds_are_thin_lines_with_a_bold_mean():
    series = plots(make_record())["velocity"].drawing.series
    assert [s.style for s in series] == [*["seed"] * 5, "mean"]
    assert [name.text for name in plots(make_record())["velocity"].drawing.names][-1] == (
        "mean of 5 seeds"
    )
    one = plots(make_record(make_spec(seeds=[4])))["velocity"].drawing.series
    assert [(s.name, s.style) for s in one] == [("seed 4", "mean")]


def test_a_step_that_some_seeds_lack_is_a_dot_off_the_line():
    record = make_record()
    seed = record.seeds[0]
    extra = seed.arms[2].model_copy(update={"step": 350})
    seeds = [seed.model_copy(update={"arms": [*seed.arms, extra]}), *record.seeds[1:]]
    item = plots(record.model_copy(update={"seeds": seeds}))["switch"]
    styles = [dot.style for dot in item.drawing.dots]
    shared_steps = {arm.step for arm in record.seeds[0].arms if arm.arm == "switched"}
    assert (styles.count("c0"), styles.count("c0 hollow")) == (len(shared_steps), 1)
    assert ("switched", "350", "70.0", "one seed", "1 of 1") in item.table.rows


def test_bars_and_dots_do_not_lie_on_the_frame(everything):
    for key in ("switch", "benefit", "chaos"):
        drawing = everything[key].drawing
        left, top, width, height = drawing.frame
        for dot in drawing.dots:
            assert left + 5 < dot.x < left + width - 5, key
        for bar in (s for s in drawing.segments if s.style.startswith("bar")):
            assert top < bar.y1 < top + height
            assert top < bar.y2 < top + height


def test_the_other_seeds_are_for_the_script():
    record = make_record(make_spec(seeds=list(range(12))))
    data = seed_data(record)
    assert set(data) == {"path", "distance", "references", "scale"}
    for seeds in data.values():
        assert list(seeds) == [str(seed) for seed in range(1, MAX_SEEDS)]
    S = 1 - record.seeds[3].kernel.primary.G()
    assert data["distance"]["3"]["S"][7][2] == pytest.approx(1e4 * S[7, 2], abs=0.5)
    # The page has what is the same for all.
    assert set(data["distance"]["3"]) == {"S", "title"}
    for key, make in zip(data, SEED_PLOTS, strict=True):
        whole = make(record, record.seeds[3])
        assert {**make(record, record.seeds[0]).data, **data[key]["3"]} == {
            **whole.data,
            "title": whole.title,
        }
    assert data["path"]["3"]["title"] == path_plot(record, record.seeds[3]).title


def test_fields_that_another_seed_lacks_are_null():
    first, other = {"up": [1], "w": 3, "s": [1]}, {"w": 3, "s": [2], "level": [4]}
    assert differences(first, other) == {"up": None, "s": [2], "level": [4]}


def test_titles_say_no_more_than_the_figures():
    record = make_record()
    title = plots(record)["training"].title
    assert title == "Linearized from w on, training ends 5.0 points lower"


@pytest.mark.parametrize(
    ("low", "high", "title"),
    [
        (
            -0.051,
            0.184,
            "Linearized from w on, accuracy is not told apart from ordinary training’s",
        ),
        (
            -0.004,
            0.011,
            "Linearized from w on, accuracy is not told apart from ordinary training’s",
        ),
        (-0.004, 0.009, "Linearized from w on, training ends about as accurate"),
        (0.0, 0.0, "Linearized from w on, training ends about as accurate"),
    ],
)
def test_about_as_accurate_needs_an_interval_within_the_margin(low, high, title):
    record = make_record()
    benefit = replace(record.figures.benefit, value=(low + high) / 2, low=low, high=high)
    summary = replace(record.figures, benefit=benefit)
    assert plots(record.model_copy(update={"summary": summary}))["training"].title == title
