"""The reference of records as Markdown, written from the schema itself.

`python -m conebench.reference.records > docs/records.md` renews the page.
"""

import re
import sys
from collections.abc import Iterator
from typing import Any

from conebench.record.json_schema import record_json_schema
from conebench.record.schema import SCHEMA_VERSION
from conebench.reference.specs import allowed, forms, references

HEAD = f"""\
# Records

Every field of a record, its unit and its meaning.

A record is one JSON file: what one run of one spec found. It holds the raw data first, then the
figures that follow from them; readers compute the figures anew and trust none that is stored
(`conebench check` compares). The symbols are those of the [method](method.md). This page is of
schema {SCHEMA_VERSION}; `conebench schema --record` prints it as JSON Schema.

- Accuracies and shares are fractions, from 0 to 1. Times of training are in steps. Where a unit is
  needed it is in the name: `_deg` degrees, `_bytes`, `_seconds`.
- A field that came with a later schema may be missing, and is where it says nothing: older records
  stay valid and keep their ids.
- The id of a record is the first 8 hexadecimal digits of the SHA-256 of everything but
  `provenance`. Records with the same dataset, kernel reduction, number of probe images, BatchNorm
  mode and schema major are ranked together.

From Python: `conebench.record.read_record`, see the [Python API](api.md#records).
"""
TAIL = """
This page is written by `python -m conebench.reference.records > docs/records.md`, from the schema.
"""
# They have a page of their own.
ELSEWHERE = {"Spec": "specs.md#fields"}
# Such limits keep nonsense out and tell a reader nothing.
BILLION = 10**9
NONE = re.compile(r"\bNone\b")


def reference_markdown() -> str:
    """The page: a section each part of a record, a row each field."""
    schema = record_json_schema()
    parts = {"Record": {**schema, "description": "One run of one spec."}, **schema["$defs"]}
    names = dict.fromkeys(_below("Record", parts))
    return HEAD + "".join(_section(name, parts[name]) for name in names) + TAIL


def _below(name: str, parts: dict[str, Any]) -> Iterator[str]:
    """A part and all parts within it, in the order of its fields."""
    yield name
    for field in parts[name]["properties"].values():
        for form in forms(field):
            for inner in references(form.get("items") or form):
                if inner not in ELSEWHERE:
                    yield from _below(inner, parts)


def _section(name: str, part: dict[str, Any]) -> str:
    text = NONE.sub("null", " ".join(part["description"].split()))
    rows = "\n".join(
        f"| `{name}` | {_values(field)} | {field['description']} |"
        for name, field in part["properties"].items()
    )
    return f"\n## {name}\n\n{text}\n\n| field | value | meaning |\n|---|---|---|\n{rows}\n"


def _values(field: dict[str, Any]) -> str:
    null = ["null"] if {"type": "null"} in field.get("anyOf", ()) else []
    return " or ".join([*map(_value, forms(field)), *null])


def _value(form: dict[str, Any]) -> str:
    if form.get("type") == "array":
        return f"list of {_values(form['items'])}"
    for name in references(form):
        return f"[{name}]({ELSEWHERE.get(name, f'#{name.lower()}')})"
    beyond_reach = form.get("maximum", 0) >= BILLION
    return allowed({k: v for k, v in form.items() if k != "maximum" or not beyond_reach})


if __name__ == "__main__":
    sys.stdout.write(reference_markdown())
