"""JSON Schema of spec files, for editors, including `extends`, `matrix` and `grid`."""

import copy
from typing import Any

from conebench.spec.composition import FILE_NAME, MAX_VARIANTS, VARIANT_NAME
from conebench.spec.schema import Spec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PARTIAL = "Partial"
NO_CONTROL_CHARACTER = r"[^\x00-\x1f\x7f-\x9f]"


def spec_json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12): a whole spec, or parts with `extends` and the like.

    Only `conebench validate` checks how fields fit together.
    """
    whole = Spec.model_json_schema()
    sections = whole.pop("$defs") | {"Spec": whole}
    for section in sections.values():
        make_portable(section)
    parts = {f"{PARTIAL}{name}": _partial(section) for name, section in sections.items()}
    variant = copy.deepcopy(parts[f"{PARTIAL}Spec"])
    del variant["properties"]["name"]
    level = copy.deepcopy(variant)
    del level["properties"]["title"]
    composed = parts[f"{PARTIAL}Spec"]
    ways = _ways_to_compose()
    composed["properties"] |= ways
    composed["required"] = ["name", "title"]
    composed["not"] = {"required": ["matrix", "grid"]}
    return {
        "$schema": DIALECT,
        "title": "A spec of conebench",
        "type": "object",
        "if": {"anyOf": [{"required": [way]} for way in ways]},
        "then": {"$ref": f"#/$defs/{PARTIAL}Spec"},
        "else": {"$ref": "#/$defs/Spec"},
        "$defs": sections | parts | {"Variant": variant, "Level": level},
    }


def _ways_to_compose() -> dict[str, Any]:
    return {
        "extends": {
            "type": "string",
            "pattern": f"^{FILE_NAME.pattern}$",
            "description": "A file in this folder, whose fields this one changes.",
        },
        "matrix": {
            **_by_name("Variant"),
            "description": "Specs of this file: each variant's name, and the fields it changes.",
        },
        "grid": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": _by_name("Level"),
            "description": "Specs of this file: factors, each with its levels by name.",
        },
    }


def _by_name(section: str) -> dict[str, Any]:
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": MAX_VARIANTS,
        "propertyNames": {"pattern": f"^{VARIANT_NAME.pattern}$"},
        "additionalProperties": {"$ref": f"#/$defs/{section}"},
    }


def make_portable(schema: Any) -> None:
    """Rewrite pydantic's schema in place so that other tools accept the same documents."""
    if isinstance(schema, dict):
        # An optimizer may match more than one form, which oneOf refuses.
        if "oneOf" in schema:
            schema["anyOf"] = schema.pop("oneOf")
        if isinstance(schema.get("pattern"), str):
            schema["pattern"] = _portable_pattern(schema["pattern"])
        if "patternProperties" in schema:
            by_pattern = schema["patternProperties"].items()
            schema["patternProperties"] = {_portable_pattern(p): s for p, s in by_pattern}
        for value in schema.values():
            make_portable(value)
    elif isinstance(schema, list):
        for value in schema:
            make_portable(value)


def _portable_pattern(pattern: str) -> str:
    # Many engines of regular expressions lack Unicode classes.
    return pattern.replace(r"\P{Cc}", NO_CONTROL_CHARACTER)


def _partial(section: dict[str, Any]) -> dict[str, Any]:
    """Return a section in which any field may be missing, or null to remove it."""
    part: dict[str, Any] = _renamed(section)
    part.pop("required", None)
    if part.get("additionalProperties") is False:
        # null may remove a field of the other file that this section does not have.
        part["additionalProperties"] = {"type": "null"}
    for name, field in part.get("properties", {}).items():
        hint = {key: field[key] for key in ("description",) if key in field}
        part["properties"][name] = hint | {"anyOf": [field, {"type": "null"}]}
    return part


def _renamed(schema: Any) -> Any:
    """Return a copy that refers to partial sections."""
    if isinstance(schema, list):
        return [_renamed(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.replace("#/$defs/", f"#/$defs/{PARTIAL}") if key == "$ref" else _renamed(value)
        for key, value in schema.items()
    }
