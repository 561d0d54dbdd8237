"""Compose specs from `extends`, `matrix` and `grid`, and keep the place of every field.

Fields are merged over those of the extended file as a JSON merge patch (RFC 7396): mappings field
by field, null removes a field, anything else replaces it.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from conebench.errors import SpecError
from conebench.spec.yaml_text import FieldPath, parse_yaml, read_yaml, shown
from conebench.text import did_you_mean, one_line

MAX_FILES = 5
MAX_VARIANTS = 200
FILE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*\.yaml")
VARIANT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
# Fields that are never inherited.
OWN = ("name", "title")
# Ways to write several specs in one file.
FAMILIES = ("matrix", "grid")
# Fields that --set cannot change.
NOT_SET = (*OWN, "extends", *FAMILIES)


class Place(NamedTuple):
    """File and line (from 1) of a field; no line for an option of the command line."""

    path: Path
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.path}" if self.line is None else f"{self.path}:{self.line}"


@dataclass(frozen=True)
class Composed:
    """Plain data of one spec before validation, and the place of each field.

    `variant` is its name in the file's matrix or grid, None without one.
    """

    data: dict[str, Any]
    places: dict[FieldPath, Place]
    variant: str | None = None

    def place(self, field: FieldPath) -> Place:
        """Return the place of a field, or of the nearest section around it."""
        while field not in self.places:
            field = field[:-1]
        return self.places[field]

    def merged(self, patch: "Composed") -> "Composed":
        """Return these fields with a merge patch applied."""
        replaced: set[FieldPath] = set()
        data = _merged(self.data, patch.data, (), replaced)
        # A place is lost with its field, or with any section around it.
        kept = {
            field: place
            for field, place in self.places.items()
            if not any(field[:depth] in replaced for depth in range(len(field) + 1))
        }
        return Composed(data, kept | patch.places, patch.variant)


def compose(path: Path) -> list[Composed]:
    """Return the specs of a file in order: one per variant of its matrix or grid, else one.

    Raises a SpecError if a file cannot be read, or its `extends`, `matrix` or `grid` is not valid.
    """
    written = _read(path)
    families = [family for family in FAMILIES if family in written.data]
    if not families:
        return [_extended(written, path, (path,))]
    if len(families) > 1:
        raise SpecError(f"{written.place(('grid',))}: grid: got a matrix too, expected one of them")
    variants = list(_grid(written) if families == ["grid"] else _matrix(written))
    del written.data[families[0]]
    base = _extended(written, path, (path,))
    name = base.data.get("name")
    if name != path.stem:
        raise SpecError(
            f"{base.place(('name',))}: name: got {shown(name)}, expected the file's name "
            f"{path.stem!r}"
        )
    return [_variant(base, patches) for patches in variants]


def settings_patch(settings: Iterable[str]) -> Composed | None:
    """Return fields set on the command line as one patch, None without any.

    Raises a SpecError for a setting that is not FIELD=VALUE, or not allowed.

    >>> settings_patch(["training.steps=500", "seeds=[0, 1]"]).data
    {'training': {'steps': 500}, 'seeds': [0, 1]}
    """
    data: dict[str, Any] = {}
    places: dict[FieldPath, Place] = {}
    for setting in settings:
        field, is_given, text = setting.partition("=")
        place = Place(Path(one_line(f"--set {setting}")))
        parts = tuple(field.split("."))
        if not is_given or not text.strip() or not all(parts):
            raise SpecError(f"{place}: expected FIELD=VALUE, such as training.steps=500")
        if parts[0] in NOT_SET:
            raise SpecError(f"{place}: {parts[0]} cannot be set; write a spec with extends")
        section = data
        for depth, part in enumerate(parts[:-1], start=1):
            places[parts[:depth]] = place
            # A section replaces a value that was set before.
            if not isinstance(section.get(part), dict):
                section[part] = {}
            section = section[part]
        section[parts[-1]] = parse_yaml(text, place.path)[0]
        places[parts] = place
    return Composed(data, places) if data else None


def _read(path: Path) -> Composed:
    data, lines = read_yaml(path)
    if not isinstance(data, dict):
        raise SpecError(f"{path}:1: got {shown(data)}, expected a mapping of sections")
    return Composed(data, {field: Place(path, line) for field, line in lines.items()})


def _extended(written: Composed, path: Path, chain: tuple[Path, ...]) -> Composed:
    """Merge a file over the files it extends; `chain` ends with the file itself."""
    if "extends" not in written.data:
        return written
    place = written.place(("extends",))
    base_path = _base_path(written.data.pop("extends"), path, place)
    if base_path in chain:
        raise SpecError(f"{place}: extends: got {base_path.name!r}, which extends this file")
    if len(chain) == MAX_FILES:
        raise SpecError(f"{place}: extends: expected a chain of at most {MAX_FILES} files")
    base = _read(base_path)
    for family in FAMILIES:
        if family in base.data:
            raise SpecError(
                f"{place}: extends: got {base_path.name!r}, expected a file without a {family}"
            )
    base = _extended(base, base_path, (*chain, base_path))
    own = {name: written.data[name] for name in OWN if name in written.data}
    inherited = {name: value for name, value in base.data.items() if name not in OWN}
    places = {at: place for at, place in base.places.items() if not at or at[0] not in OWN}
    return Composed(own | inherited, places).merged(written)


def _base_path(name: object, path: Path, place: Place) -> Path:
    if not isinstance(name, str) or not FILE_NAME.fullmatch(name):
        raise SpecError(
            f"{place}: extends: got {shown(name)}, expected the name of a file in this folder"
        )
    base = path.parent / name
    if base.is_symlink() or not base.is_file():
        hint = did_you_mean(name, sorted(file.name for file in path.parent.glob("*.yaml")))
        raise SpecError(f"{place}: extends: got {name!r}, no file in this folder{hint}")
    return base


def _matrix(written: Composed) -> Iterator[tuple[Composed, ...]]:
    """Yield the one patch of each variant."""
    for patch in _patches(written, ("matrix",), ("name", "extends", *FAMILIES)):
        yield (patch,)


def _grid(written: Composed) -> Iterator[tuple[Composed, ...]]:
    """Yield one patch per factor for each combination of levels, the last factor fastest."""
    grid, place = written.data["grid"], written.place(("grid",))
    if not isinstance(grid, dict) or not grid:
        raise SpecError(
            f"{place}: grid: got {shown(grid)}, expected a mapping of factors, each with its levels"
        )
    not_allowed = ("name", "title", "extends", *FAMILIES)
    factors = [list(_patches(written, ("grid", factor), not_allowed)) for factor in grid]
    count = math.prod(map(len, factors))
    if count > MAX_VARIANTS:
        raise SpecError(f"{place}: grid: got {count} combinations, expected at most {MAX_VARIANTS}")
    yield from product(*factors)


def _patches(
    written: Composed, at: tuple[str, ...], not_allowed: tuple[str, ...]
) -> Iterator[Composed]:
    """Yield one patch per variant at a place of a file."""
    variants: Any = written.data
    for part in at:
        variants = variants[part]
    name = ".".join(at)
    if not isinstance(variants, dict) or not 0 < len(variants) <= MAX_VARIANTS:
        raise SpecError(
            one_line(f"{written.place(at)}: {name}: got {shown(variants)}, ")
            + f"expected a mapping of 1 to {MAX_VARIANTS} variants, each with the fields it changes"
        )
    for variant, fields in variants.items():
        place = written.place((*at, variant))
        where = one_line(f"{place}: {name}.{variant}")
        if not VARIANT_NAME.fullmatch(variant):
            raise SpecError(
                f"{where}: expected a name of lower-case letters, digits, '.', '_' and '-'"
            )
        if not isinstance(fields, dict):
            raise SpecError(f"{where}: got {shown(fields)}, expected a mapping of sections")
        for field in not_allowed:
            if field in fields:
                raise SpecError(f"{where}.{field}: not allowed in a variant")
        depth = len(at) + 1
        below = {
            field[depth:]: place
            for field, place in written.places.items()
            if field[:depth] == (*at, variant)
        }
        yield Composed(fields, below, variant)


def _variant(base: Composed, patches: tuple[Composed, ...]) -> Composed:
    """Return one variant, named after the file and its patches."""
    name = "-".join(str(patch.variant) for patch in patches)
    spec = base
    for patch in patches:
        spec = spec.merged(patch)
    spec.data["name"] = f"{base.data['name']}-{name}"
    spec.places["name",] = patches[-1].place(())
    title = base.data.get("title")
    if all("title" not in patch.data for patch in patches) and isinstance(title, str):
        spec.data["title"] = f"{title}, {name}"
    return replace(spec, variant=name)


def _merged(
    data: dict[str, Any], patch: dict[str, Any], at: FieldPath, replaced: set[FieldPath]
) -> dict[str, Any]:
    """Merge as RFC 7396 says. Add to `replaced` the fields of `data` that are gone."""
    merged = dict(data)
    for key, value in patch.items():
        before, field = data.get(key), (*at, key)
        if isinstance(value, dict) and isinstance(before, dict):
            merged[key] = _merged(before, value, field, replaced)
            continue
        replaced.add(field)
        if value is None:
            merged.pop(key, None)
        else:
            # Merged into nothing, since nulls inside a new mapping remove fields too.
            merged[key] = _merged({}, value, field, replaced) if isinstance(value, dict) else value
    return merged
