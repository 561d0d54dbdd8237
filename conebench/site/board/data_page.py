"""The data page: files, columns, citation."""

import json
from collections.abc import Sequence
from pathlib import Path

import conebench
from conebench.record.json_schema import record_json_schema
from conebench.record.quantities import QUANTITIES
from conebench.site.board.rows import Group, Row
from conebench.site.charts.table import Table
from conebench.site.html.environment import render_template

FILES = (
    ("table.csv", "One row per record: figures over seeds with intervals, factors, outcome"),
    ("table.parquet", "The same as Parquet, every column with its type"),
    ("table.json", "The same as JSON, null where a figure is undefined"),
    ("arms.csv", "One row per arm and seed: accuracy and loss at T, learning rate, divergence"),
    ("arms.parquet", "The same as Parquet"),
    ("findings.csv", "One row per record, seed, response and view: figures of each seed"),
    ("findings.parquet", "The same as Parquet"),
    ("schema.json", "JSON Schema of a record; its field descriptions say what each number is"),
)


def data_page(groups: Sequence[Group], skipped: Sequence[tuple[str, str]], folder: Path) -> str:
    """Return the data page; its files are in a folder."""
    columns = Table(
        ("Column", "Meaning", "Higher means"),
        tuple((q.field, q.meaning, q.higher) for q in QUANTITIES),
    )
    return render_template(
        "data.html.j2",
        root="",
        page="data",
        files=[(name, _size_text(folder / name), content) for name, content in FILES],
        skipped=skipped,
        columns=columns,
        rows=[row for group in groups for row in group.rows],
        bibtex=bibtex(),
    )


def _size_text(file: Path) -> str:
    size = file.stat().st_size
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.0f} kB"


def bibtex() -> str:
    """Return a BibTeX entry for the benchmark."""
    return (
        "@software{conebench,\n"
        "  author  = {{The conebench contributors}},\n"
        "  title   = {conebench: a benchmark suite "
        "for the cone effect in deep learning dynamics},\n"
        f"  version = {{{conebench.__version__}}},\n"
        "  license = {MIT}\n"
        "}"
    )


def record_bibtex(row: Row) -> str:
    """Return a BibTeX entry for a record."""
    title = "".join(char for char in row.title if char not in "{}\\")
    year = f"  year    = {{{row.date[:4]}}},\n" if row.date else ""
    return (
        f"@misc{{conebench-{row.record_id},\n"
        "  author  = {{The conebench contributors}},\n"
        f"  title   = {{{title}}},\n"
        f"{year}"
        f"  note    = {{conebench record {row.record_id}"
        f"{f', {row.date}' if row.date else ''}, version {conebench.__version__}}}\n"
        "}"
    )


def schema_text() -> str:
    """Return the JSON Schema of records as text."""
    return json.dumps(record_json_schema(), indent=1) + "\n"
