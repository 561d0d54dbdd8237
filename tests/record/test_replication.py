"""conebench.record.replication: what a replication says, and what cannot be true of a record."""

import copy
import json
from pathlib import Path

import pytest
from changes import Change, drop, put
from synthetic import make_record, make_replication, replayed, save_replication

from conebench.errors import RecordError
from conebench.record import Record, record_text
from conebench.record.compare import Difference, compare_records
from conebench.record.replication import (
    MAX_REPLICATION_BYTES,
    attest,
    check_name,
    check_replication,
    read_both,
    read_replication,
    replications_of,
)

RECORD = make_record()
FOUND = make_replication(RECORD)
NAMED = f"2026-01-02-{RECORD.id}.json"


def with_kernel(record: Record, shift: float) -> Record:
    """The record with one entry of G of its first seed moved."""
    kernel = record.seeds[0].kernel
    gram = [list(row) for row in kernel.gram]
    gram[3][1] += shift
    first = record.seeds[0].model_copy(update={"kernel": kernel.model_copy(update={"gram": gram})})
    return record.model_copy(update={"seeds": [first, *record.seeds[1:]]})


def test_a_replication_beside_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = tmp_path / NAMED
    record.write_text(record_text(RECORD))
    file = save_replication(record, FOUND)
    assert file == tmp_path / f"2026-01-02-{RECORD.id}.replications" / "anna.json"
    assert replications_of(record) == [file]
    assert read_both(file) == FOUND
    assert (FOUND.record_hash[:8], FOUND.seeds, FOUND.tolerance) == (
        RECORD.id,
        [0, 1, 2, 3, 4],
        "bits",
    )
    assert FOUND.record_hash == FOUND.replay_hash


def test_it_says_the_narrowest_tolerance_and_the_largest_difference_of_each_kind() -> None:
    replay = replayed(with_kernel(RECORD, 0.01))
    found = attest(RECORD, replay, compare_records(RECORD, replay, "rounding"), "anna")
    assert found.tolerance == "rounding"
    assert found.largest["cosine"] == pytest.approx(0.01)
    assert {value for measure, value in found.largest.items() if measure != "cosine"} == {0.0}
    assert found.record_hash != found.replay_hash


def test_one_seed_is_enough_and_stands_there() -> None:
    part = replayed(RECORD.model_copy(update={"seeds": RECORD.seeds[1:2]}))
    found = attest(RECORD, part, compare_records(RECORD, part, "bits"), "anna")
    assert found.seeds == [1]


def test_what_differs_by_more_than_every_tolerance_is_no_replication() -> None:
    with pytest.raises(RecordError, match="differs from the record by more than any tolerance"):
        attest(RECORD, replayed(RECORD), [Difference(0, "G", "cosine", 0.5, 1.0)], "anna")


@pytest.mark.parametrize("name", ["anna", "a", "anna-2", "x" * 39])
def test_names(name: str) -> None:
    check_name(name)
    assert make_replication(RECORD, name).by == name


@pytest.mark.parametrize(
    "name", ["", "Anna", "a b", "-a", "a-", "a--b", "../a", "ä", "a.b", "a\n", "x" * 40]
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(RecordError, match="expected a GitHub name in lower case"):
        check_name(name)
    with pytest.raises(ValueError, match="by"):
        make_replication(RECORD, name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("schema_version", "2.0"), "schema_version: got \"2.0\", expected '1.0'"),
        (put("record_hash", "abc"), 'record_hash: got "abc", expected 64 hexadecimal digits'),
        (put("note", "x"), "note: unknown field"),
        (drop("provenance"), "provenance: missing"),
        (put("provenance.device_name", "a\nb"), "provenance.device_name: got "),
        (put("provenance.created_at", 1), "provenance.created_at: got 1, expected text"),
        (put("seeds", []), "seeds: got [], expected at least 1"),
        (put("seeds", [-1]), "seeds.0: got -1, expected at least 0"),
        (put("tolerance", "loose"), "tolerance: got \"loose\", expected 'bits' or 'rounding'"),
        (put("largest", {}), "largest: got {}, expected at least 1"),
        (put("largest.speed", 0.0), "largest.speed.[key]: got \"speed\", expected 'cosine', "),
        (put("largest.cosine", -1.0), "largest.cosine: got -1.0, expected at least 0"),
        (put("largest.cosine", float("nan")), "largest.cosine: got NaN, expected a finite number"),
    ],
)
def test_a_field_that_is_none_is_named(tmp_path: Path, change: Change, message: str) -> None:
    data = FOUND.model_dump(mode="json")
    change(data)
    path = tmp_path / "anna.json"
    path.write_text(json.dumps(data))
    with pytest.raises(RecordError) as caught:
        read_replication(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert str(caught.value).removeprefix(str(path)).isprintable()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 10_000, "not JSON: "),
        ("\udcff", "not JSON: "),
        (" " * (MAX_REPLICATION_BYTES + 1), "expected at most 20,000 bytes"),
        (json.dumps(FOUND.model_dump(mode="json")), "its text is not as conebench writes it"),
    ],
    ids=["deep", "no UTF-8", "giant", "other spaces"],
)
def test_a_text_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "anna.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(RecordError) as caught:
        read_replication(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "link.json").symlink_to("/etc/passwd")
    for name in ("folder.json", "link.json"):
        with pytest.raises(RecordError, match=f"{name}: not a regular file"):
            read_replication(tmp_path / name)
    with pytest.raises(RecordError, match=r"absent.json: cannot be read: No such file"):
        read_replication(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"by": "ben"}, "by: got 'ben', but the file is named 'anna'"),
        ({"record_hash": "0" * 64}, f"record_hash: got 00000000, but the record has {RECORD.id}"),
        (
            {"seeds": [0, 7]},
            "seeds: got [0, 7], expected some of [0, 1, 2, 3, 4], each once and in order",
        ),
        ({"seeds": [1, 1]}, "seeds: got [1, 1], expected some of"),
        ({"seeds": [1, 0]}, "seeds: got [1, 0], expected some of"),
        (
            {"largest": {"cosine": 0.01}},
            "tolerance: got bits, but the largest differences need round",
        ),
        (
            {"tolerance": "rounding"},
            "tolerance: got rounding, but the largest differences need bits",
        ),
        (
            {"largest": {"cosine": 0.5}},
            "tolerance: got bits, but the largest differences need more",
        ),
        ({"provenance": RECORD.provenance}, "provenance: got that of the record itself"),
    ],
)
def test_what_cannot_be_true_of_a_record(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = tmp_path / NAMED
    found = FOUND.model_copy(update=copy.deepcopy(changes))
    file = save_replication(path, found).rename(path.with_suffix(".replications") / "anna.json")
    with pytest.raises(RecordError) as caught:
        check_replication(file, RECORD)
    assert str(caught.value).startswith(f"{file}: {message}")


def test_a_replication_without_a_record(tmp_path: Path) -> None:
    file = save_replication(tmp_path / NAMED, FOUND)
    with pytest.raises(RecordError, match=f"anna.json: its record .*{NAMED} is missing"):
        read_both(file)
