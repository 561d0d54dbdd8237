"""Errors of pydantic as problems in plain words."""

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from conebench.errors import SpecError
from conebench.spec.checks import Problem
from conebench.spec.optimizers import Adam, OtherOptimizer, Sgd, check_optimizer
from conebench.spec.schema import Spec
from conebench.spec.section import NO_CONTROL_CHARACTER, TITLE
from conebench.spec.yaml_text import FieldPath, shown
from conebench.text import did_you_mean, near_words

UNION_MEMBERS: dict[object, type[BaseModel]] = {"sgd": Sgd, "adam": Adam, "other": OtherOptimizer}
MOST_HINTS = 3
MAPPING = "a mapping of fields"
# What is expected, by the type of pydantic's error.
RULES = {
    "bool_type": "true or false",
    "dataclass_type": MAPPING,
    "dict_type": MAPPING,
    "finite_number": "a finite number",
    "finite_numbers": "finite numbers",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "less_than": "less than {lt:.10g}",
    "less_than_equal": "at most {le:.10g}",
    "model_type": MAPPING,
    "string_too_long": "at most {max_length} characters",
    "string_type": "text",
    "too_long": "at most {max_length} values",
    "too_short": "at least {min_length} values",
    "tuple_type": "a list",
    "list_type": "a list",
}
# Errors of a field that should, or should not, be there.
FIELD_RULES = {
    "extra_forbidden": "unknown field",
    "missing": "missing",
    "unexpected_keyword_argument": "unknown field",  # of a dataclass
}
# What a pattern with this part expects.
PATTERNS = {
    "/[A-Za-z0-9]": "owner/name",
    TITLE: "one line of text",
    NO_CONTROL_CHARACTER: "one line of text",
    "[A-Za-z0-9._-]": "a short name of letters, digits, '.', '_' and '-'",
    "[a-z0-9._-]": "a short name of lower-case letters, digits, '.', '_' and '-'",
    "[a-z_][a-z0-9_]*": "a name of lower-case letters, digits and '_'",
    "[a-z][a-z0-9_]*": "a name of lower-case letters, digits and '_'",
    "[a-z0-9]{1,40}": "a name of lower-case letters and digits",
    "[A-Za-z0-9_.+-]": "a name of letters, digits, '.', '_', '+' and '-'",
    "[0-9a-f]{40}": "a commit of 40 hexadecimal digits",
    "==[0-9]": "a package with its version, such as mypackage==1.2",
    "[0-9a-f]{64}": "64 hexadecimal digits",
    "[A-Za-z0-9+/]*={0,2}": "base64",
    r"\d+\.\d+": "two numbers, such as 1.3",
    "[a-z0-9](-?[a-z0-9])": "a GitHub name in lower case",
}


def spec_problems(error: ValidationError, data: Any) -> list[Problem]:
    """Return one problem per field of a spec; `data` is what was validated."""
    got: dict[FieldPath, str] = {}
    rules: dict[FieldPath, list[str]] = {}
    for detail in _details(error):
        kind, loc = detail["type"], detail["loc"]
        if kind == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
            continue  # pydantic counts valid items only: the others have their own problems
        field = _yaml_path(loc, data, missing=kind == "missing")
        hint = _known_fields(loc) if kind == "extra_forbidden" else _name_hint(detail)
        got.setdefault(field, _got(detail))
        rules.setdefault(field, []).append(_rule(detail) + hint)
    problems = [Problem(field, got[field] + ", or ".join(rules[field])) for field in rules]
    return _blamed_on_optimizer(problems, data)


def _blamed_on_optimizer(problems: list[Problem], data: Any) -> list[Problem]:
    """Put a misspelled optimizer in place of unknown fields, which depend on its name."""
    try:
        check_optimizer(OtherOptimizer(name=data["training"]["optimizer"]["name"], learning_rate=1))
    except SpecError as error:
        where = ("training", "optimizer")
        wrong_name = Problem((*where, "name"), str(error).removeprefix(f"{error.field}: "))
        others = [
            problem
            for problem in problems
            if problem.field[:2] != where or not problem.message.startswith("unknown field")
        ]
        return [*others, wrong_name]
    except (KeyError, TypeError, ValidationError):
        # It has a problem of its own, or none.
        pass
    return problems


def record_problem(error: ValidationError) -> str:
    """Return the first problem of a record, as `field: message`."""
    detail = _details(error)[0]
    if detail["type"] == "json_invalid":
        return f"not JSON: {detail['ctx']['error']}"
    # Members of unions that are no fields stand in parentheses.
    path = [str(part) for part in detail["loc"] if not str(part).startswith("(")]
    return f"{'.'.join(path) or 'record'}: {_got(detail)}{_rule(detail)}"


def value_problem(error: ValidationError) -> str:
    """Return what is wrong with a value that has no field, such as an option's."""
    detail = _details(error)[0]
    rule = _rule(detail)
    if detail["type"] == "value_error":
        rule = str(detail["ctx"]["error"]).rstrip(".").replace(f"{detail['input']!r} is not ", "")
    return f"got {detail['input']!r}, expected {rule}"


def _details(error: ValidationError) -> list[ErrorDetails]:
    # Unknown fields last: pydantic 2.13 has them first in their section, other versions last.
    return sorted(
        error.errors(include_url=False), key=lambda d: FIELD_RULES.get(d["type"]) == "unknown field"
    )


def _got(detail: ErrorDetails) -> str:
    return "" if detail["type"] in FIELD_RULES else f"got {shown(detail['input'])}, expected "


def _rule(detail: ErrorDetails) -> str:
    kind, limits = detail["type"], detail.get("ctx", {})
    if kind in FIELD_RULES:
        return FIELD_RULES[kind]
    if kind == "string_pattern_mismatch":
        return _pattern_rule(limits["pattern"], detail["input"])
    if kind == "less_than" and limits["lt"] == 1:
        return "a fraction below 1"
    if kind == "literal_error":
        expected = str(limits["expected"])
        return expected + did_you_mean(str(detail["input"]), re.findall("'([^']*)'", expected))
    if kind in RULES:
        return RULES[kind].format(**limits)
    return detail["msg"].removeprefix("Input should be ")


def _pattern_rule(pattern: str, value: str) -> str:
    # Python's re has no classes such as \P{Cc}.
    if pattern != NO_CONTROL_CHARACTER and re.search(pattern, value.lower()):
        return f"lower case: {value.lower()!r}"
    return next((rule for part, rule in PATTERNS.items() if part in pattern), "another text")


def _yaml_path(loc: FieldPath, data: Any, *, missing: bool) -> FieldPath:
    """Return pydantic's location without the steps that name a member of a union."""
    path: list[str | int] = []
    for part in loc:
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if in_list or (isinstance(data, dict) and part in data):
            path.append(part)
            data = data[part]
    return (*path, loc[-1]) if missing else tuple(path)


def _known_fields(loc: FieldPath) -> str:
    known, word = _fields_at(loc[:-1]), str(loc[-1])
    hint = did_you_mean(word, known) or _found_elsewhere(loc)
    return f", expected one of {', '.join(known)}{hint}"


def _found_elsewhere(loc: FieldPath) -> str:
    """Return a hint to fields of other sections with such a name, those of its section first."""
    own = (*(str(part) for part in loc[:-1] if part not in UNION_MEMBERS), str(loc[-1]))
    paths = dict.fromkeys(_all_fields(Spec))
    if own in paths:
        # A field of another kind of optimizer.
        return ""
    near = near_words(own[-1], {path[-1] for path in paths}, cutoff=0.8)
    found = sorted((path for path in paths if path[-1] in near), key=lambda path: path[0] != own[0])
    names = [".".join(path) for path in found[:MOST_HINTS]]
    return f"; did you mean {' or '.join(map(repr, names))}?" if names else ""


def _all_fields(section: type[BaseModel], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in section.model_fields.items():
        yield (*at, name)
        for inner in _sections_in(field.annotation):
            yield from _all_fields(inner, (*at, name))


def _name_hint(detail: ErrorDetails) -> str:
    value, is_mapping = detail["input"], RULES.get(detail["type"]) == MAPPING
    is_name = is_mapping and isinstance(value, str) and "name" in _fields_at(detail["loc"])
    return f", such as {{name: {value}}}" if is_name else ""


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
    ways_to_compose = {"extends", "matrix", "grid"} if section == [Spec] else set()
    return sorted(ways_to_compose.union(*(model.model_fields for model in section)))


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [s for part in get_args(annotation) for s in _sections_in(part)]
