"""The reference of specs as Markdown, written from the schema itself.

`python -m conebench.reference.specs > docs/specs.md` renews the page.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from conebench.spec.schema import Spec

HEAD = """\
# Specs

Every field of a spec, what is allowed in it, and its default.

A spec is one YAML 1.2 file, named as its `name` field says, at most 1 MB; the
[tutorial](tutorial.md) writes one step by step. Unknown fields, duplicate keys, tags and directives
are refused. Beyond the table, fields must fit together: switch steps and a linearization step lie
on checkpoints before the end, `every` divides the number of steps at least eight times, subsets are
no larger than the dataset, and so on; `conebench validate` says what does not fit.

## Specs that share fields

`extends: other.yaml` takes every field but `name` and `title` from another file in the same folder
and changes some. `matrix` makes one file stand for several specs, each named after the file and the
variant, with the variant's name after the title unless it has a title of its own:

```yaml
extends: resnet20.yaml
name: resnet20-factors
title: ResNet-20 on CIFAR-10
matrix:
  lr-0.01:                    # the spec resnet20-factors-lr-0.01
    training: {optimizer: {learning_rate: 0.01}}
  adamw:
    training: {optimizer: {name: adamw, learning_rate: 1e-3, momentum: null}}
```

Fields are merged as a JSON merge patch (RFC 7396): sections field by field, `null` takes a field
away, anything else, lists too, replaces what was there. A file extends at most four others in a
row, and none with a matrix. What comes out is what is checked, hashed, run and stored; problems are
named where the value is written. `conebench show FILE` prints the specs of a file (`--resolved`:
with all defaults), `--name NAME` picks one, for `plan` and `run` too.

## Fields

| field | allowed | default | meaning |
|---|---|---|---|
"""
TAIL = """
This page is written by `python -m conebench.reference.specs > docs/specs.md`, from the schema.
"""


def reference_markdown() -> str:
    """The page: one row a field."""
    schema = Spec.model_json_schema()
    rows = [f"| {' | '.join(row)} |" for row in _rows(schema, schema["$defs"], "")]
    return HEAD + "\n".join(rows) + "\n" + TAIL


def _rows(section: dict[str, Any], defs: dict[str, Any], prefix: str) -> Iterator[list[str]]:
    required = section.get("required", [])
    for name, field in section["properties"].items():
        path = f"{prefix}{name}"
        sections = [defs[ref] for ref in references(field)]
        has_other_forms = any("$ref" not in form for form in forms(field))
        can_be_left_out = field.get("default", "none given") is None
        if not sections or has_other_forms or can_be_left_out:
            default = "required" if name in required else _shown(field.get("default"))
            values = " or ".join(allowed(form) for form in forms(field))
            yield [f"`{path}`", values, default, field.get("description", "")]
        for kind in sections:
            tag = f" ({_names(kind['properties']['name'])})" if len(sections) > 1 else ""
            for row in _rows(kind, defs, f"{path}."):
                yield [row[0] + tag, *row[1:]]


def forms(field: dict[str, Any]) -> list[dict[str, Any]]:
    """The forms that a field's value may have in JSON Schema, null not among them."""
    forms = field.get("anyOf") or field.get("oneOf") or [field]
    return [form for form in forms if form.get("type") != "null"]


def references(field: dict[str, Any]) -> list[str]:
    """The sections that a field's value may be, by name."""
    return [form["$ref"].rpartition("/")[2] for form in forms(field) if "$ref" in form]


def allowed(form: dict[str, Any]) -> str:
    """What is allowed in one form, in words."""
    if "$ref" in form:
        return "a section"
    if "const" in form:
        return f"`{form['const']}`"
    if "enum" in form:
        return ", ".join(f"`{value}`" for value in form["enum"])
    if form.get("type") == "array":
        items = form.get("items") or form.get("prefixItems", [{}])[0]
        return f"list of {allowed(items)}"
    words = {"integer": "whole number", "number": "number", "boolean": "true, false"}
    words |= {"string": "text", "object": "mapping"}
    return words.get(str(form.get("type")), "anything") + _bounds(form)


def _names(field: dict[str, Any]) -> str:
    return allowed(field) if {"const", "enum"} & set(field) else "any other"


def _bounds(form: dict[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {form[key]:,}" for key, sign in signs.items() if key in form]
    return f" {', '.join(bounds)}" if bounds else ""


def _shown(default: Any) -> str:
    return "–" if default is None else f"`{json.dumps(default)}`"


if __name__ == "__main__":
    sys.stdout.write(reference_markdown())
