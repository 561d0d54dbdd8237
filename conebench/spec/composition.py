"""Compose specs from files with `extends` and `matrix`, and keep the place of every field.

Fields are merged over those of the extended file as a JSON merge patch (RFC 7396): mappings field
by field, null removes a field, anything else replaces it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from conebench.errors import SpecError
from conebench.spec.yaml_text import FieldPath, read_yaml, shown
from conebench.text import did_you_mean, one_line

MAX_FILES = 5
MAX_VARIANTS = 200
FILE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*\.yaml")
VARIANT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
# Fields that are never inherited.
OWN = ("name", "title")


class Place(NamedTuple):
    """File and line (from 1) of a field."""

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True)
class Composed:
    """Plain data of one spec before validation, and the place of each field.

    `variant` is its name in the file's matrix, None without a matrix.
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
        kept = {
            field: place
            for field, place in self.places.items()
            if not any(field[:depth] in replaced for depth in range(len(field) + 1))
        }
        return Composed(data, kept | patch.places, patch.variant)


def compose(path: Path) -> list[Composed]:
    """Return the specs of a file in order: one per variant of its matrix, else one.

    Raises a SpecError if a file cannot be read, or its `extends` or `matrix` is not valid.
    """
    written = _read(path)
    if "matrix" not in written.data:
        return [_extended(written, path, (path,))]
    patches = list(_patches(written.data.pop("matrix"), written))
    base = _extended(written, path, (path,))
    name = base.data.get("name")
    if name != path.stem:
        raise SpecError(
            f"{base.place(('name',))}: name: got {shown(name)}, expected the file's name "
            f"{path.stem!r}"
        )
    return [_variant(base, patch) for patch in patches]


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
    if "matrix" in base.data:
        raise SpecError(
            f"{place}: extends: got {base_path.name!r}, expected a file without a matrix"
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


def _patches(matrix: object, written: Composed) -> Iterator[Composed]:
    if not isinstance(matrix, dict) or not 0 < len(matrix) <= MAX_VARIANTS:
        raise SpecError(
            f"{written.place(('matrix',))}: matrix: got {shown(matrix)}, expected a mapping of "
            f"1 to {MAX_VARIANTS} variants, each with the fields it changes"
        )
    for variant, fields in matrix.items():
        place = written.place(("matrix", variant))
        where = one_line(f"{place}: matrix.{variant}")
        if not VARIANT_NAME.fullmatch(variant):
            raise SpecError(
                f"{where}: expected a name of lower-case letters, digits, '.', '_' and '-'"
            )
        if not isinstance(fields, dict):
            raise SpecError(f"{where}: got {shown(fields)}, expected a mapping of sections")
        for field in ("name", "extends", "matrix"):
            if field in fields:
                raise SpecError(f"{where}.{field}: not allowed in a variant")
        below = {
            field[2:]: at
            for field, at in written.places.items()
            if field[:2] == ("matrix", variant)
        }
        yield Composed(fields, below, variant)


def _variant(base: Composed, patch: Composed) -> Composed:
    """Return one spec of a matrix, named after the file and the variant."""
    spec = base.merged(patch)
    spec.data["name"] = f"{base.data['name']}-{patch.variant}"
    spec.places["name",] = patch.place(())
    title = base.data.get("title")
    if "title" not in patch.data and isinstance(title, str):
        spec.data["title"] = f"{title}, {patch.variant}"
    return spec


def _merged(
    data: dict[str, Any], patch: dict[str, Any], at: FieldPath, replaced: set[FieldPath]
) -> dict[str, Any]:
    """Merge as RFC 7396 says; add to `replaced` the fields of `data` that are gone."""
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
            merged[key] = _merged({}, value, field, replaced) if isinstance(value, dict) else value
    return merged
