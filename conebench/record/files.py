"""Read and write records as JSON; nothing in a file is trusted."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from conebench.errors import RecordError
from conebench.record.schema import SCHEMA_MAJOR, Record
from conebench.record.structure import check_structure
from conebench.spec.schema_problems import record_problem
from conebench.text import one_line

# Three seeds of resnet20-160epochs by stage (317 checkpoints, 12 groups) take 42 MB.
MAX_BYTES = 50_000_000
VERSION = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}")


def record_text(record: Record) -> str:
    """Return the record as JSON text."""
    return pretty_json(record.dump())


def pretty_json(data: dict[str, Any]) -> str:
    """Return plain data as JSON, with each list of numbers on one line."""
    return _indented(data, "") + "\n"


def _indented(value: Any, indent: str) -> str:
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        items = [f"{deeper}{json.dumps(k)}: {_indented(v, deeper)}" for k, v in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = [f"{deeper}{_indented(item, deeper)}" for item in value]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    # NaN and infinity are not JSON; Python alone would write and read them.
    return json.dumps(value, allow_nan=False)


def read_record(path: Path | str) -> Record:
    """Read one record, or raise a RecordError that names the file and the field.

    A folder is that of a run: its `record.json` is read.
    """
    if not isinstance(path, str | Path):
        raise RecordError(f"path: got {path!r}, expected the file of a record or a run's folder")
    path = Path(path)
    try:
        path = path / "record.json" if path.is_dir() else path
        # Before it is read: a file of gigabytes would fill the memory.
        if path.stat().st_size > MAX_BYTES:
            raise RecordError(f"{path}: expected at most {MAX_BYTES:,} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        # A name that no file can have.
        raise RecordError(f"{str(path)!a}: cannot be read: {error}") from None
    return parse_record(content, path)


def parse_record(content: bytes, path: Path | str) -> Record:
    """Return the record of a JSON text that was read from a path or an address."""
    try:
        text = content.decode("utf-8")
        data = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: not JSON: {error}") from None
    # First, or a record of a newer schema would be refused for its unknown fields.
    _check_version(path, data)
    try:
        # Not from `data`: pydantic's strict mode accepts lists as tuples only in JSON text.
        record = Record.model_validate_json(text)
    except ValidationError as error:
        raise RecordError(f"{path}: {one_line(record_problem(error))}") from None
    check_structure(path, record)
    return record


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, or raise a ValueError if a key appears twice."""
    data = dict(pairs)
    # Readers disagree on which of two values counts.
    if len(data) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise ValueError(f"got the key {counts.most_common(1)[0][0]!r} twice")
    return data


def _check_version(path: Path | str, data: object) -> None:
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise RecordError(f"{path}: schema_version: missing, so this is not a conebench record")
    if int(version.partition(".")[0]) > SCHEMA_MAJOR:
        raise RecordError(
            f"{path}: schema_version: got {version}, but this conebench reads up to "
            f"{SCHEMA_MAJOR}.x; upgrade conebench"
        )
