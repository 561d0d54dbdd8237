"""From a file to a Spec, or to one line a problem."""

import difflib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from conebench.errors import SpecError
from conebench.spec.checks import Problem, cross_field_problems
from conebench.spec.schema import Adam, OtherOptimizer, Sgd, Spec
from conebench.spec.yaml_text import FieldPath, one_line, read_yaml

UNION_MEMBERS: dict[object, type[BaseModel]] = {"sgd": Sgd, "adam": Adam, "other": OtherOptimizer}


def load_spec(path: Path) -> Spec:
    """Read, validate and resolve one spec file.

    Raises a SpecError whose message has one line a problem,
    `file:line: field: what came, what is allowed`.
    """
    data, lines = read_yaml(path)
    if not isinstance(data, dict):
        raise SpecError(f"{path}:1: came {_shown(data)}, allowed is a mapping of sections")
    try:
        spec = Spec.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise SpecError(_message(path, lines, _schema_problems(error, data))) from None
    resolved = spec.resolved()
    problems = [*_given_twice(spec), *_wrong_name(spec, path), *cross_field_problems(resolved)]
    if problems:
        raise SpecError(_message(path, lines, problems))
    return resolved


def at_line(path: Path, message: str) -> str:
    """A message that begins with a field, with the file and the line of that field before it."""
    field = tuple(message.partition(":")[0].split("."))
    return f"{path}:{_line_of(field, read_yaml(path)[1])}: {message}"


def find_specs(paths: Iterable[Path]) -> list[Path]:
    """The spec files at the given paths: files as they are, folders by their `*.yaml`."""
    found = []
    for path in paths:
        inside = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        if not inside:
            raise SpecError(f"{path}: the folder holds no *.yaml file")
        found += inside
    return found


def _given_twice(spec: Spec) -> list[Problem]:
    # A resolved spec has steps in either case, so this rule looks at what was written.
    if spec.training.steps is None or spec.training.epochs is None:
        return []
    return [Problem(("training", "epochs"), "came with steps too, allowed is one of the two")]


def _wrong_name(spec: Spec, path: Path) -> list[Problem]:
    if spec.name == path.stem:
        return []
    return [Problem(("name",), f"came {spec.name!r}, allowed is the file's name {path.stem!r}")]


def _message(path: Path, lines: dict[FieldPath, int], problems: Iterable[Problem]) -> str:
    return "\n".join(
        f"{path}:{_line_of(problem.field, lines)}: "
        + one_line(f"{'.'.join(map(str, problem.field)) or 'spec'}: {problem.message}")
        for problem in problems
    )


def _line_of(field: FieldPath, lines: dict[FieldPath, int]) -> int:
    while field not in lines:
        field = field[:-1]
    return lines[field]


def _schema_problems(error: ValidationError, data: Any) -> list[Problem]:
    problems: dict[FieldPath, list[tuple[str, str]]] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
            continue  # pydantic counts valid items only: the others have their own problems
        missing = detail["type"] == "missing"
        field = _yaml_path(detail["loc"], data, missing=missing)
        if detail["type"] == "extra_forbidden":
            message = ("", _unknown_field(detail["loc"]))
        elif missing:
            message = ("", "missing")
        else:
            rule = detail["msg"][0].lower() + detail["msg"][1:]
            message = (f"came {_shown(detail['input'])}, ", rule)
        problems.setdefault(field, []).append(message)
    return [Problem(field, _joined(messages)) for field, messages in problems.items()]


def _joined(messages: list[tuple[str, str]]) -> str:
    """What came, and every rule that would have allowed it."""
    return messages[0][0] + ", or ".join(rule for _, rule in messages)


def _yaml_path(loc: FieldPath, data: Any, *, missing: bool) -> FieldPath:
    """Pydantic's location without the steps that name a member of a union."""
    path: list[str | int] = []
    for part in loc:
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if in_list or (isinstance(data, dict) and part in data):
            path.append(part)
            data = data[part]
    return (*path, loc[-1]) if missing else tuple(path)


def _unknown_field(loc: FieldPath) -> str:
    allowed = _fields_at(loc[:-1])
    nearest = difflib.get_close_matches(str(loc[-1]), allowed, n=1)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    return f"unknown field, {hint}allowed are {', '.join(allowed)}"


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
    return sorted({name for model in section for name in model.model_fields})


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [s for part in get_args(annotation) for s in _sections_in(part)]


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
