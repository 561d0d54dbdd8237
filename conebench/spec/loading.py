"""From a file to a Spec, or to one line a problem."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from conebench.errors import SpecError
from conebench.spec.advice import advice
from conebench.spec.checks import Problem, cross_field_problems
from conebench.spec.composition import Composed, compose
from conebench.spec.schema import Adam, OtherOptimizer, Sgd, Spec
from conebench.spec.yaml_text import FieldPath, shown
from conebench.text import did_you_mean, one_line

UNION_MEMBERS: dict[object, type[BaseModel]] = {"sgd": Sgd, "adam": Adam, "other": OtherOptimizer}
# The end of a spec's name that says that its run only tries the machinery.
SMOKE_SUFFIX = ".smoke"
MAX_LISTED = 10


@dataclass(frozen=True)
class LoadedSpec:
    """A resolved spec, the file that it is read from, and what is written there."""

    file: Path
    spec: Spec
    written: Composed

    def at_line(self, message: str) -> str:
        """A message that begins with a field, with the file and line of that field before it."""
        field = tuple(message.partition(":")[0].split("."))
        return f"{self.written.place(field)}: {message}"

    def warnings(self) -> list[str]:
        """What a reviewer would say, one line each."""
        return _lines(self.written, advice(self.spec), "warning: ")


def load_specs(path: Path) -> list[LoadedSpec]:
    """Read, validate and resolve every spec of one file: several where it has a matrix.

    Raises a SpecError whose message has one line a problem,
    `file:line: field: what came, what is allowed`; of a matrix, the variants that have it.
    """
    loaded = []
    problems: dict[str, list[str]] = {}
    composed = compose(path)
    for written in composed:
        spec = _validated(written, path)
        if isinstance(spec, Spec):
            loaded.append(LoadedSpec(path, spec, written))
            continue
        for line in spec:
            problems.setdefault(line, []).append(written.variant or "")
    if problems:
        raise SpecError(
            "\n".join(line + _of(variants, len(composed)) for line, variants in problems.items())
        )
    return loaded


def load_spec(path: Path) -> Spec:
    """Read, validate and resolve the one spec of a file, as `load_specs` does."""
    loaded = load_specs(path)
    if len(loaded) > 1:
        raise SpecError(f"{path}: got a matrix of {len(loaded)} specs, expected one spec")
    return loaded[0].spec


def load_all(paths: Iterable[Path], names: Collection[str] = ()) -> list[LoadedSpec]:
    """Every spec of files and folders, or those of the given names.

    Raises a SpecError where a spec is not valid, two have one name, or a name is not there.
    """
    loaded = [found for file in find_specs(paths) for found in load_specs(file)]
    repeated = repeated_names(loaded)
    if repeated:
        raise SpecError(repeated[0])
    there = [found.spec.name for found in loaded]
    for name in names:
        if name not in there:
            listed = ", ".join(there[:MAX_LISTED]) + (", ..." if len(there) > MAX_LISTED else "")
            raise SpecError(
                f"--name: got {name!r}, expected one of {listed}{did_you_mean(name, there)}"
            )
    return [found for found in loaded if not names or found.spec.name in names]


def repeated_names(loaded: Iterable[LoadedSpec]) -> list[str]:
    """One line for each spec whose name an earlier one has."""
    first: dict[str, LoadedSpec] = {}
    lines = []
    for found in loaded:
        earlier = first.setdefault(found.spec.name, found)
        if earlier is not found:
            lines.append(
                f"{found.written.place(('name',))}: name: got {found.spec.name!r} twice, "
                f"also in {earlier.file}; expected each name once"
            )
    return lines


def find_specs(paths: Iterable[Path]) -> list[Path]:
    """The spec files at the given paths: files as they are, folders by their `*.yaml`."""
    found = []
    for path in paths:
        inside = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        if not inside:
            raise SpecError(f"{path}: the folder holds no *.yaml file")
        found += inside
    return found


def _validated(written: Composed, path: Path) -> Spec | list[str]:
    """The resolved spec, or one line a problem."""
    try:
        spec = Spec.model_validate_json(json.dumps(written.data))
    except ValidationError as error:
        return _lines(written, _schema_problems(error, written.data))
    resolved = spec.resolved()
    name = path.stem + (f"-{written.variant}" if written.variant else "")
    problems = [*_given_twice(spec), *_wrong_name(spec, name), *cross_field_problems(resolved)]
    return _lines(written, problems) if problems else resolved


def _given_twice(spec: Spec) -> list[Problem]:
    # A resolved spec has steps in either case, so this rule looks at what was written.
    if spec.training.steps is None or spec.training.epochs is None:
        return []
    return [Problem(("training", "epochs"), "got with steps too, expected one of the two")]


def _wrong_name(spec: Spec, name: str) -> list[Problem]:
    if spec.name != name:
        return [Problem(("name",), f"got {spec.name!r}, expected the file's name {name!r}")]
    if name.endswith(SMOKE_SUFFIX):
        return [Problem(("name",), f"got {name!r}, {SMOKE_SUFFIX!r} is kept for smoke runs")]
    return []


def _lines(written: Composed, problems: Iterable[Problem], kind: str = "") -> list[str]:
    return [
        f"{written.place(problem.field)}: {kind}"
        + one_line(f"{'.'.join(map(str, problem.field)) or 'spec'}: {problem.message}")
        for problem in problems
    ]


def _of(variants: list[str], count: int) -> str:
    """Which variants of a matrix have a problem; nothing for all of them, or without a matrix."""
    if len(variants) == count:
        return ""
    more = len(variants) - 1
    return f" (in {variants[0]}{f' and {more} more' if more else ''})"


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
            message = (f"got {shown(detail['input'])}, ", rule)
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
    return (
        f"unknown field, expected one of {', '.join(allowed)}{did_you_mean(str(loc[-1]), allowed)}"
    )


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
