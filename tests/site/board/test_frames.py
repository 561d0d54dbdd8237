"""conebench.site.board.frames: types do not depend on values, and bytes repeat."""

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from synthetic import make_record, make_spec

from conebench.site.board.download import frame_csv, frame_json
from conebench.site.board.frames import ArmRow, arm_rows, arms_frame, board_frame
from conebench.site.board.rows import Group, group_rows, row_of

RECORDS = [make_record(), make_record(make_spec(title="=1+1 数据", seeds=[4]), noise=0.12)]
WHOLE = {
    "board": {"rank", "last_rank", "probe_samples", "intervals", "seeds"},
    "arms": {"seed", "step", "T_star", "diverged_at"},
}


def groups() -> list[Group]:
    return group_rows([row_of(record, record.id) for record in RECORDS])


def arms() -> list[ArmRow]:
    return [arm for record in RECORDS for arm in arm_rows(record, record.id)]


def frame(kind: str, *, empty: bool = False) -> pd.DataFrame:
    if kind == "board":
        return board_frame([] if empty else groups())
    return arms_frame([] if empty else arms())


def test_the_table_has_the_figures_of_the_rows() -> None:
    rows = [row for group in groups() for row in group.rows]
    found = json.loads(frame_json(frame("board")))
    assert [row["title"] for row in found] == [row.title for row in rows]
    for flat, row in zip(found, rows, strict=True):
        assert (flat["record"], flat["rank"], flat["seeds"]) == (row.record_id, row.rank, row.seeds)
        assert (flat["dataset"], flat["probe_samples"], flat["batch_size"]) == ("digits", 50, 64)
        for name, figure in row.figures.items():
            ends = (figure.value, figure.low, figure.high) if figure else (None, None, None)
            assert (flat[name], flat[f"{name}_low"], flat[f"{name}_high"]) == ends


@pytest.mark.parametrize("kind", ["board", "arms"])
def test_every_file_has_the_same_values(tmp_path: Path, kind: str) -> None:
    table = frame(kind)
    table.to_parquet(tmp_path / "parquet", engine="pyarrow", index=False)
    stored = pq.read_table(tmp_path / "parquet").to_pylist()
    assert stored == json.loads(frame_json(table))
    lines = list(csv.DictReader(io.StringIO(frame_csv(table))))
    for row, cells in zip(stored, lines, strict=True):
        written = {name: "" if value is None else str(value) for name, value in row.items()}
        assert {name: cell.removeprefix("'") for name, cell in cells.items()} == written


def test_the_arms_are_those_of_the_records() -> None:
    assert [tuple(row.values()) for row in json.loads(frame_json(frame("arms")))] == arms()


@pytest.mark.parametrize("kind", ["board", "arms"])
def test_types_are_the_same_with_and_without_rows(tmp_path: Path, kind: str) -> None:
    for name in ("some", "none"):
        frame(kind, empty=name == "none").to_parquet(tmp_path / name, index=False)
    schema = pq.read_schema(tmp_path / "some")
    assert schema.equals(pq.read_schema(tmp_path / "none"))
    whole = {field.name for field in schema if field.type == "int64"}
    assert whole == WHOLE[kind]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        frame("board").to_parquet(tmp_path / name, index=False)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
