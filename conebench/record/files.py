"""Records on disk: JSON, schema version first, read with suspicion."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from conebench.errors import RecordError
from conebench.record.schema import SCHEMA_MAJOR, Record

MAX_BYTES = 50_000_000


def record_text(record: Record) -> str:
    """The record as JSON text: objects over several lines, a list of numbers on one."""
    return _pretty(record.dump(), "") + "\n"


def _pretty(value: Any, indent: str) -> str:
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        items = [f"{deeper}{json.dumps(k)}: {_pretty(v, deeper)}" for k, v in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = [f"{deeper}{_pretty(item, deeper)}" for item in value]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)


def read_record(path: Path) -> Record:
    """Read one record; a RecordError names the file, the field and what is wrong."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecordError(f"{path}: allowed are at most {MAX_BYTES:,} bytes")
        text = path.read_bytes().decode("utf-8")
        data = json.loads(text)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: not JSON: {error}") from None
    _check_version(path, data)
    try:
        record = Record.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise RecordError(f"{path}: {field}: {first['msg']}") from None
    _check_shapes(path, record)
    return record


def _check_version(path: Path, data: object) -> None:
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, str) or not version.partition(".")[0].isdecimal():
        raise RecordError(f"{path}: schema_version: missing, so this is no conebench record")
    if int(version.partition(".")[0]) > SCHEMA_MAJOR:
        raise RecordError(
            f"{path}: schema_version: came {version}, this conebench reads up to "
            f"{SCHEMA_MAJOR}.x; upgrade conebench"
        )


def _check_shapes(path: Path, record: Record) -> None:
    if record.spec != record.spec.resolved() or record.spec.training.steps is None:
        raise RecordError(f"{path}: spec: not resolved")
    for seed in record.seeds:
        kernel, curve = seed.kernel, seed.training
        where = f"{path}: seeds.{seed.seed}"
        if not kernel.steps or kernel.steps[0] != 0 or kernel.steps != sorted(set(kernel.steps)):
            raise RecordError(f"{where}: kernel.steps: allowed is 0 first, then ascending")
        for name in ("gram", "gram_centred", "norm", "trace", "top_eigenvalue_share"):
            if len(getattr(kernel, name)) != len(kernel.steps):
                raise RecordError(f"{where}: kernel.{name}: one entry a checkpoint is needed")
        for rows in (kernel.gram, kernel.gram_centred):
            if [len(row) for row in rows] != list(range(1, len(kernel.steps) + 1)):
                raise RecordError(f"{where}: kernel: G must be a lower triangle, row i of i + 1")
        if not len(curve.steps) == len(curve.test_accuracy) == len(curve.train_loss):
            raise RecordError(f"{where}: training: one entry a checkpoint is needed")
