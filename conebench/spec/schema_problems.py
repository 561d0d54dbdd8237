"""Errors of pydantic as problems in plain words."""

import re
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from conebench.spec.checks import Problem
from conebench.spec.schema import Adam, OtherOptimizer, Sgd, Spec
from conebench.spec.section import NO_CONTROL_CHARACTER, TITLE
from conebench.spec.yaml_text import FieldPath, shown
from conebench.text import did_you_mean

UNION_MEMBERS: dict[object, type[BaseModel]] = {"sgd": Sgd, "adam": Adam, "other": OtherOptimizer}
MAPPING = "a mapping of fields"
# What is expected where pydantic reports an error of this type.
RULES = {
    "bool_type": "true or false",
    "dataclass_type": MAPPING,
    "dict_type": MAPPING,
    "finite_number": "a finite number",
    "finite_numbers": "finite numbers",
    "float_type": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "list_type": "a list",
    "literal_error": "{expected}",
    "model_type": MAPPING,
    "string_too_long": "at most {max_length} characters",
    "string_type": "text",
    "too_long": "at most {max_length} values",
    "too_short": "at least {min_length} values",
    "tuple_type": "a list",
}
# What is expected where a pattern has this part.
PATTERNS = {
    TITLE: "one line of text",
    NO_CONTROL_CHARACTER: "one line of text",
    "[A-Za-z0-9._-]": "a short name of letters, digits, '.', '_' and '-'",
    "[a-z0-9._-]": "a short name of lower-case letters, digits, '.', '_' and '-'",
}

# Errors about the field itself, not about its value; a dataclass calls its fields arguments.
MISPLACED = {
    "extra_forbidden": "unknown field",
    "missing": "missing",
    "unexpected_keyword_argument": "unknown field",
}


def spec_problems(error: ValidationError, data: Any) -> list[Problem]:
    """Return one problem per field of a spec; `data` is what was validated."""
    problems: dict[FieldPath, list[tuple[str, str]]] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
            continue  # pydantic counts valid items only: the others have their own problems
        missing = detail["type"] == "missing"
        field = _yaml_path(detail["loc"], data, missing=missing)
        if missing:
            message = ("", "missing")
        elif detail["type"] == "extra_forbidden":
            message = ("", _unknown_field(detail["loc"]))
        else:
            message = (f"got {shown(detail['input'])}, expected ", _rule(detail) + _hint(detail))
        problems.setdefault(field, []).append(message)
    return [Problem(field, _joined(messages)) for field, messages in problems.items()]


def record_problem(error: ValidationError) -> str:
    """Return the first problem of a record, as `field: message`."""
    detail = error.errors(include_url=False)[0]
    if detail["type"] == "json_invalid":
        message = f"not JSON: {detail['ctx']['error']}"
    elif detail["type"] in MISPLACED:
        message = MISPLACED[detail["type"]]
    else:
        message = f"got {shown(detail['input'])}, expected {_rule(detail)}"
    return ": ".join(filter(None, [".".join(map(str, detail["loc"])), message]))


def _rule(detail: ErrorDetails) -> str:
    kind, limits = detail["type"], detail.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return _pattern_rule(limits["pattern"], detail["input"])
    if kind == "less_than" and limits["lt"] == 1:
        return "a fraction below 1"
    if kind not in RULES:
        return detail["msg"].removeprefix("Input should be ")
    whole = {name: int(n) for name, n in limits.items() if isinstance(n, float) and n == int(n)}
    return RULES[kind].format(**(limits | whole))


def _hint(detail: ErrorDetails) -> str:
    value, is_mapping = detail["input"], RULES.get(detail["type"]) == MAPPING
    if is_mapping and isinstance(value, str) and "name" in _fields_at(detail["loc"]):
        return f", such as {{name: {value}}}"
    return ""


def _pattern_rule(pattern: str, value: str) -> str:
    # Python's re has no classes such as \P{Cc}.
    if pattern != NO_CONTROL_CHARACTER and re.search(pattern, value.lower()):
        return f"lower case: {value.lower()!r}"
    words = (rule for part, rule in PATTERNS.items() if part in pattern)
    return next(words, f"text that matches {pattern}")


def _joined(messages: list[tuple[str, str]]) -> str:
    """Join the rules of every form that the field may have, after what was written."""
    return messages[0][0] + ", or ".join(rule for _, rule in messages)


def _yaml_path(loc: FieldPath, data: Any, *, missing: bool) -> FieldPath:
    """Return pydantic's location without the steps that name a member of a union."""
    path: list[str | int] = []
    for part in loc:
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if in_list or (isinstance(data, dict) and part in data):
            path.append(part)
            data = data[part]
    return (*path, loc[-1]) if missing else tuple(path)


def _unknown_field(loc: FieldPath) -> str:
    known = _fields_at(loc[:-1])
    return f"unknown field, expected one of {', '.join(known)}{did_you_mean(str(loc[-1]), known)}"


def _fields_at(loc: FieldPath) -> list[str]:
    section: list[type[BaseModel]] = [Spec]
    for part in loc:
        if part in UNION_MEMBERS:
            section = [UNION_MEMBERS[part]]
            continue
        section = [
            kind
            for model in section
            if str(part) in model.model_fields
            for kind in _sections_in(model.model_fields[str(part)].annotation)
        ] or section
    ways_to_compose = {"extends", "matrix"} if section == [Spec] else set()
    return sorted(ways_to_compose.union(*(model.model_fields for model in section)))


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [s for part in get_args(annotation) for s in _sections_in(part)]
