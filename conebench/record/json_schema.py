"""JSON Schema of records, for other tools."""

from typing import Any

from conebench.record.schema import SCHEMA_VERSION, Record
from conebench.spec.json_schema import DIALECT, make_portable


def record_json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12): types and ranges, without rules between fields."""
    schema = Record.model_json_schema()
    make_portable(schema)
    return {"$schema": DIALECT, **schema, "title": f"A record of conebench, {SCHEMA_VERSION}"}
