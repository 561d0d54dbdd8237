"""The files of the data page: complete, and the same bytes each time."""

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from site_folders import save_all
from synthetic import make_record, make_spec

import conebench
from conebench.cli.schema import schema
from conebench.record import Record
from conebench.site import build_site
from conebench.site.board.data_page import FILES, bibtex

RECORDS = [make_record(), make_record(make_spec(title="Another\u2028", seeds=[3, 4]))]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    save_all(RECORDS, folder / "records")
    build_site([folder / "records"], folder / "again")
    return build_site([folder / "records"], folder / "site").index.parent


def test_every_file_named_is_there_and_the_same_each_time(site):
    page = (site / "data.html").read_text()
    for name, _ in FILES:
        assert f'href="{name}"' in page
        assert (site / name).read_bytes() == (site.parent / "again" / name).read_bytes()


def test_the_raw_data_of_each_record_are_there_once_and_read_back(site):
    page = (site / "data.html").read_text()
    for record in RECORDS:
        name = f"records/{record.id}.json.gz"
        assert f'href="{name}"' in page
        text = gzip.decompress((site / name).read_bytes())
        assert Record.model_validate(json.loads(text), strict=False).id == record.id
    # Raw data are most of a site, so they are there only once.
    packed = [path.name for path in site.rglob("*.gz") if path.parent != site]
    assert sorted(packed) == sorted(f"{record.id}.json.gz" for record in RECORDS)
    assert [path.name for path in site.glob("*.gz")] == [".conebench-notes.json.gz"]


def test_every_arm_of_every_seed_is_a_row(site):
    # A title may hold other line breaks than those of CSV.
    rows = list(csv.DictReader(io.StringIO((site / "arms.csv").read_text())))
    assert len(rows) == sum(len(seed.arms) for record in RECORDS for seed in record.seeds)
    arm = RECORDS[0].seeds[1].arms[0]
    (row,) = [r for r in rows if (r["record"], r["seed"], r["arm"]) == (RECORDS[0].id, "1", "full")]
    assert float(row["test_accuracy"]) == arm.test_accuracy
    assert row["step"] == ""


def test_the_schema_names_every_field_of_a_record(site):
    found = json.loads((site / "schema.json").read_text())
    # Failures are left out of a record without any.
    assert set(found["properties"]) == {*RECORDS[0].dump(), "failures"}


def test_the_schema_is_the_portable_one(site, capsys):
    schema(record=True)
    assert (site / "schema.json").read_text() == capsys.readouterr().out


def test_both_citations_say_the_same():
    cff = YAML(typ="safe").load(Path(__file__).parents[3] / "CITATION.cff")
    assert f"title   = {{{cff['title']}}}" in bibtex()
    assert f"license = {{{cff['license']}}}" in bibtex()
    assert conebench.__version__ in bibtex()
