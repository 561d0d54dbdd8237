"""Plots as files: drawings without a page, tables for any CSV reader."""

import csv
import io
import re
import xml.etree.ElementTree as ET

import pytest
from synthetic import make_record, make_spec

from conebench.site.board.download import table_csv
from conebench.site.charts.table import Table
from conebench.site.files.plot_files import csv_file, svg_file
from conebench.site.pages import sections_of


@pytest.fixture(scope="module")
def plots():
    sections = sections_of(make_record(make_spec(chaos={"pairs": [[0, 100], [100, 500]]})))
    return [plot for section in sections for plot in section]


def test_every_drawing_stands_alone(plots):
    for plot in plots:
        text = svg_file(plot)
        root = ET.fromstring(text)  # noqa: S314  # our own text
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(" not in text
        assert "currentColor" not in text
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
        words = "".join(root.itertext())
        assert all(key.name in words for key in plot.drawing.legend)


def test_every_class_of_a_drawing_has_a_rule(plots):
    for plot in plots:
        text = svg_file(plot)
        used = {name for names in re.findall(r'class="([^"]*)"', text) for name in names.split()}
        assert used <= set(re.findall(r"\.([a-z][a-z0-9-]*)", text))


def test_every_table_is_there_in_full(plots):
    for plot in plots:
        rows = list(csv.reader(io.StringIO(csv_file(plot))))
        assert len(rows) == len(plot.table.rows) + 1
        assert {len(row) for row in rows} == {len(plot.table.head)}


def test_numbers_are_plain_dashes_are_empty_and_formulas_are_text():
    table = Table(("=a", "b"), (("1,234", "–"), ("-0.5", "1e-07"), ("-x", "12, 13")))
    assert table_csv(table) == "'=a,b\n1234,\n-0.5,1e-07\n'-x,\"12, 13\"\n"
