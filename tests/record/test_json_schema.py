"""conebench.record.json_schema: every record here is one of it."""

import json
from pathlib import Path

import pytest
from jsonschema_rs import Draft202012Validator

from conebench.record.json_schema import record_json_schema
from conebench.site import record_files

RECORDS = record_files([Path(__file__).parents[2] / "leaderboard/records"])
VALIDATOR = Draft202012Validator(record_json_schema())


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_it_takes_every_record(path: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(json.loads(path.read_text()))] == []


def test_it_refuses_a_record_without_its_kernel() -> None:
    record = json.loads(RECORDS[0].read_text())
    del record["seeds"][0]["kernel"]
    assert not VALIDATOR.is_valid(record)
