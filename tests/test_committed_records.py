"""The records in the repository: readable, consistent, and all on the board."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conebench.record import read_record, recompute
from conebench.site import build_site
from conebench.spec import content_hash, load_spec

ROOT = Path(__file__).parents[1]
RECORDS = sorted((ROOT / "leaderboard" / "records").rglob("*.json"))


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every value of plain JSON data with its path."""
    children = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, child in children:
        yield from leaves(child, f"{path}/{key}")
    if not isinstance(value, dict | list):
        yield path, value


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_committed_record_says_what_follows_from_its_data(path: Path) -> None:
    record = read_record(path)
    # Hashes are of the text as it was written, whatever fields a later schema adds.
    written = json.loads(path.read_text())
    content = {key: value for key, value in written.items() if key != "provenance"}
    assert path.name == f"{record.provenance.created_at[:10]}-{content_hash(content)[:8]}.json"
    assert path.stem.endswith(record.id)
    assert path.parent.name == record.spec.name
    assert record.spec_hash == content_hash(written["spec"])
    stored, again = dict(leaves(record.dump())), dict(leaves(recompute(record).dump()))
    assert stored.keys() == again.keys()
    for name, value in stored.items():
        expected = again[name]
        if isinstance(value, float):
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-12), name
        else:
            assert value == expected, name


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_committed_record_was_made_from_a_committed_spec_and_clean_code(path: Path) -> None:
    record = read_record(path)
    assert load_spec(ROOT / "specs" / f"{record.spec.name}.yaml") == record.spec
    assert record.provenance.git_dirty is False


def test_every_committed_record_is_on_the_board(tmp_path: Path) -> None:
    report = build_site([ROOT / "leaderboard" / "records"], tmp_path / "site")
    assert report.shown == len(RECORDS) > 0
    assert not report.skipped
