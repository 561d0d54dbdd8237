"""The records in the repository: readable, consistent, and all on the board."""

import json
from functools import cache
from pathlib import Path

import pytest

from conebench.record import read_record
from conebench.record.check import check_record
from conebench.record.replication import read_both
from conebench.site import build_site, record_files, replication_files
from conebench.spec import Spec, content_hash, find_specs, load_all

ROOT = Path(__file__).parents[2]
RECORDS = record_files([ROOT / "leaderboard" / "records"])
# Records that have left the board: every version reads them.
OLDER = record_files([ROOT / "tests" / "data" / "older-records"])


@cache
def specs() -> dict[str, Spec]:
    """Return the committed specs by name."""
    return {found.spec.name: found.spec for found in load_all(find_specs([ROOT / "specs"]))}


@pytest.mark.parametrize(
    "path", [*RECORDS, *OLDER], ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_a_committed_record_is_sound(path: Path) -> None:
    record, findings, _ = check_record(path)
    assert findings == []
    # Hashes are of the text as it was written, whatever fields a later schema adds.
    written = json.loads(path.read_text())
    content = {key: value for key, value in written.items() if key != "provenance"}
    assert path.name == f"{record.provenance.created_at[:10]}-{content_hash(content)[:8]}.json"
    assert path.parent.name == record.spec.name
    assert record.spec_hash == content_hash(written["spec"])


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_committed_record_was_made_from_a_committed_spec_and_clean_code(path: Path) -> None:
    record = read_record(path)
    assert specs()[record.spec.name] == record.spec
    assert record.provenance.git_dirty is False


def test_every_committed_replication_is_of_its_record() -> None:
    files = replication_files([ROOT / "leaderboard" / "records"])
    assert all(read_both(file).provenance.git_dirty is False for file in files)
    every = set((ROOT / "leaderboard" / "records").rglob("*.json"))
    assert every == {*RECORDS, *files}


def test_an_older_record_can_be_on_a_board(tmp_path: Path) -> None:
    report = build_site([ROOT / "tests" / "data" / "older-records"], tmp_path / "site")
    assert (report.shown, report.skipped) == (len(OLDER), [])
    assert OLDER


def test_every_committed_record_is_on_the_board(tmp_path: Path) -> None:
    report = build_site([ROOT / "leaderboard" / "records"], tmp_path / "site")
    assert report.shown == len(RECORDS) > 0
    assert not report.skipped
