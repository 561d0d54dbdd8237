"""The board of many records: time to build it, and what its index weighs."""

import shutil
from pathlib import Path

import pytest
from synthetic import make_record, make_spec

from conebench.record import record_text
from conebench.site import build_site

RECORDS = 1_000


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Records of 3 seeds and 23 checkpoints that differ in their titles."""
    folder = tmp_path / "records"
    base = make_record(make_spec())
    for i in range(RECORDS):
        spec = make_spec(title=f"Synthetic run {i}")
        record = base.model_copy(update={"spec": spec, "spec_hash": spec.hash})
        target = folder / f"{i}" / "record.json"
        target.parent.mkdir(parents=True)
        target.write_text(record_text(record))
    return folder


def test_building_the_board(benchmark, records: Path, tmp_path: Path) -> None:
    def build() -> int:
        return build_site([records], tmp_path / "site").shown

    assert benchmark.pedantic(build, rounds=1) == RECORDS
    index = (tmp_path / "site" / "index.html").stat().st_size
    benchmark.extra_info["index_bytes"] = index
    shutil.rmtree(tmp_path / "site")
