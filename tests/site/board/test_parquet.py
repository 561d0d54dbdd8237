"""Tables as Parquet: the numbers of the CSV, types that never depend on them, the same bytes."""

import csv
import io
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from synthetic import make_record, make_spec

from conebench.site.board.data_page import ARMS, arm_rows, arms_csv
from conebench.site.board.download import columns, csv_text, flat_rows
from conebench.site.board.parquet import WHOLE, arms_parquet, table_parquet
from conebench.site.board.rows import Group, group_rows, row_of

RECORDS = [make_record(), make_record(make_spec(title="=1+1 数据", seeds=[4]), noise=0.12)]


def groups() -> list[Group]:
    return group_rows([row_of(record, record.id) for record in RECORDS])


def arms() -> list:
    return [arm for record in RECORDS for arm in arm_rows(record, record.id)]


def test_the_table_has_the_values_of_the_board(tmp_path):
    table_parquet(groups(), tmp_path / "table.parquet")
    found = pd.read_parquet(tmp_path / "table.parquet")
    rows = [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in found.to_dict("records")
    ]
    assert rows == flat_rows(groups())
    assert list(found) == next(csv.reader(io.StringIO(csv_text(groups()))))


def test_the_arms_are_those_of_the_csv(tmp_path):
    arms_parquet(arms(), tmp_path / "arms.parquet")
    found = pq.read_table(tmp_path / "arms.parquet").to_pylist()
    assert [tuple(row.values()) for row in found] == arms()
    assert len(found) == len(arms_csv(arms()).splitlines()) - 1


@pytest.mark.parametrize("write", ["table", "arms"])
def test_types_are_the_same_with_and_without_rows(tmp_path, write):
    some, none = tmp_path / "some", tmp_path / "none"
    if write == "table":
        table_parquet(groups(), some)
        table_parquet([], none)
    else:
        arms_parquet(arms(), some)
        arms_parquet([], none)
    schema = pq.read_schema(some)
    assert schema.equals(pq.read_schema(none))
    assert schema.names == (columns() if write == "table" else list(ARMS))
    whole = WHOLE - ({"T_star"} if write == "table" else set())
    assert {schema.field(name).type for name in whole & set(schema.names)} == {"int64"}


def test_the_same_rows_give_the_same_bytes(tmp_path: Path):
    written = []
    for name in ("one", "two"):
        table_parquet(groups(), tmp_path / name)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
