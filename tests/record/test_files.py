"""Records on disk: exact round trips, and one line about anything else."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from changes import put
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_files import DATA, SMALL, changed, write
from synthetic import make_record

from conebench.errors import ExitCode, RecordError
from conebench.record import SCHEMA_VERSION, read_record, record_text
from conebench.record.files import MAX_BYTES


@pytest.mark.parametrize("record", [SMALL, make_record(), make_record(noise=0.3)])
def test_round_trip_is_exact(tmp_path: Path, record: Any) -> None:
    path = write(tmp_path, record_text(record))
    again = read_record(path)
    assert again == record
    assert again.id == record.id
    assert record_text(again).encode() == path.read_bytes()


def test_layout() -> None:
    text = record_text(SMALL)
    lines = text.splitlines()
    assert json.loads(text) == DATA
    assert lines[:2] == ["{", f'  "schema_version": "{SCHEMA_VERSION}",']
    assert '    "seeds": [4, 2]' in lines
    assert '        "steps": [0, 125, 250, 375, 500, 625, 750, 875, 1000],' in lines
    gram = lines.index('        "gram": [')
    assert lines[gram + 1] == "          [1.0],"
    assert [line.count(",") for line in lines[gram + 1 : gram + 4]] == [1, 2, 3]
    assert text.endswith("\n}\n")


def test_text_that_is_not_ascii_is_escaped(tmp_path: Path) -> None:
    provenance = SMALL.provenance.model_copy(update={"device_name": 'é "x"\u2028'})
    record = SMALL.model_copy(update={"provenance": provenance})
    text = record_text(record)
    assert text.isascii()
    assert read_record(write(tmp_path, text)) == record


def test_an_integer_is_a_number_too(tmp_path: Path) -> None:
    record = read_record(changed(tmp_path, put("seeds.0.kernel.norm.0", 500)))
    assert record == SMALL


def test_a_diverged_arm_is_read(tmp_path: Path) -> None:
    def diverge(data: Any) -> None:
        arm = data["seeds"][0]["arms"][1]
        arm.update(status="diverged", diverged_at=7, test_accuracy=None, test_loss=None)
        del arm["correct"]

    assert read_record(changed(tmp_path, diverge)).seeds[0].arms[1].diverged_at == 7


def test_a_later_minor_version_is_read(tmp_path: Path) -> None:
    assert read_record(changed(tmp_path, put("schema_version", "1.999"))).schema_version == "1.999"


NO_RECORD = "schema_version: missing, so this is not a conebench record"
NOT_RECORDS = {
    "empty": (b"", "not JSON: Expecting value: line 1 column 1 (char 0)"),
    "cut off": (b'{"a": 1', "not JSON: Expecting ',' delimiter: line 1 column 8 (char 7)"),
    "list": (b"[]", NO_RECORD),
    "number": (b"12", NO_RECORD),
    "Latin-1": (
        b'{"a": "\xe9"}',
        "not JSON: 'utf-8' codec can't decode byte 0xe9 in position 7: invalid continuation byte",
    ),
    "a key twice": (
        b'{"a": 1, "b": {"c\\n": 1, "d": 2, "c\\n": 3}}',
        "not JSON: got the key 'c\\n' twice",
    ),
    "two records": (b"{} {}", "not JSON: Extra data: line 1 column 4 (char 3)"),
}


@pytest.mark.parametrize(("content", "message"), NOT_RECORDS.values(), ids=NOT_RECORDS)
def test_not_a_record(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(RecordError) as error:
        read_record(path)
    assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"schema_version": "1.0", "spec": {"a": ['])
def test_deep_nesting(tmp_path: Path, opening: str) -> None:
    path = write(tmp_path, opening + "[" * 200_000)
    with pytest.raises(RecordError, match="not JSON: "):
        read_record(path)


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(RecordError) as error:
        read_record(path)
    assert str(error.value) == f"{path}: expected at most 50,000,000 bytes"


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path, file in [
        (tmp_path / "none.json", tmp_path / "none.json"),
        (tmp_path, tmp_path / "record.json"),
    ]:
        with pytest.raises(RecordError) as error:
            read_record(path)
        assert str(error.value) == f"{file}: cannot be read: No such file or directory"
        assert error.value.exit_code is ExitCode.BAD_INPUT


def test_the_folder_of_a_run_stands_for_its_record(tmp_path: Path) -> None:
    record = make_record()
    (tmp_path / "record.json").write_text(record_text(record))
    assert read_record(tmp_path) == read_record(str(tmp_path)) == record


def outcome(path: Path) -> str:
    """The message about a file; for a record that is taken, the beginning of one."""
    try:
        record = read_record(path)
    except RecordError as error:
        return str(error)
    assert json.loads(record_text(record)) == record.dump()
    assert len(record.id) == 8
    return f"{path}: "


@given(st.one_of(st.binary(max_size=100), st.text(max_size=50).map(str.encode)))
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_bytes_are_a_record_or_a_record_error(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, content)
    assert outcome(path).startswith(f"{path}: ")


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in the data; of a list the first and the last item."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    if isinstance(value, list):
        items = items[:1] + items[-1:]
    return [
        found
        for key, inner in items
        for found in [
            (*path, key),
            *(paths(inner, (*path, key)) if isinstance(inner, dict | list) else []),
        ]
    ]


PLACES = paths(DATA)
JSON_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=10),
        st.sampled_from([10**400, -(10**20), 1e308, "1.0", "sgd", "diverged"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
DELETE = object()


@given(
    st.lists(
        st.tuples(st.sampled_from(PLACES), st.one_of(st.just(DELETE), JSON_VALUES)),
        min_size=1,
        max_size=2,
    )
)
@settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_change_gives_a_record_or_a_record_error(tmp_path: Path, changes: Any) -> None:
    data: Any = copy.deepcopy(DATA)
    for place, value in changes:
        inner = data
        try:
            for part in place[:-1]:
                inner = inner[part]
            if value is DELETE:
                del inner[place[-1]]
            else:
                inner[place[-1]] = value
        except (KeyError, IndexError, TypeError):
            pass  # the change before this one removed its place
    path = write(tmp_path, json.dumps(data))
    assert outcome(path).startswith(f"{path}: ")
