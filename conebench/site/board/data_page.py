"""The data page, and the files it names: all records as one, every arm as a table, the schema."""

import json
from collections.abc import Sequence

import conebench
from conebench.record.json_schema import record_json_schema
from conebench.record.quantities import QUANTITIES
from conebench.site.board.rows import Group
from conebench.site.charts.table import Table
from conebench.site.html.environment import environment

FILES = (
    ("table.csv", "One row a record: figures over seeds with intervals, factors, outcome"),
    ("table.parquet", "The same as Parquet, every column with its type"),
    ("table.json", "The same as JSON, null where a figure is undefined"),
    ("arms.csv", "One row an arm of a seed: accuracy and loss at T, learning rate, divergence"),
    ("arms.parquet", "The same as Parquet"),
    ("records.jsonl.gz", "All records with all raw data, one JSON document a line"),
    ("schema.json", "JSON Schema of a record; its field descriptions say what each number is"),
)


def data_page(groups: Sequence[Group]) -> str:
    """What there is to download, what its columns say, how to cite it."""
    columns = Table(
        ("Column", "Meaning", "Higher means"),
        tuple((q.field, q.meaning, q.higher) for q in QUANTITIES),
    )
    return (
        environment()
        .get_template("data.html.j2")
        .render(
            root="",
            page="data",
            files=FILES,
            columns=columns,
            rows=[row for group in groups for row in group.rows],
            bibtex=bibtex(),
        )
    )


def bibtex() -> str:
    """An entry for the benchmark itself."""
    return (
        "@software{conebench,\n"
        "  author  = {{The conebench contributors}},\n"
        "  title   = {conebench: a benchmark suite "
        "for the cone effect in deep learning dynamics},\n"
        f"  version = {{{conebench.__version__}}},\n"
        "  license = {MIT}\n"
        "}"
    )


def schema_text() -> str:
    """Return the JSON Schema of records, as `conebench schema --record` prints it."""
    return json.dumps(record_json_schema(), indent=1) + "\n"
