"""Changes of plain JSON data, by the path of a field."""

from collections.abc import Callable
from typing import Any

Change = Callable[[Any], None]


def at(data: Any, path: str) -> tuple[Any, Any]:
    """The mapping or list that holds a field, and its key there."""
    *parents, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    for part in parents:
        data = data[part]
    return data, last


def put(path: str, value: object) -> Change:
    def change(data: Any) -> None:
        parent, key = at(data, path)
        parent[key] = value

    return change


def drop(path: str) -> Change:
    def change(data: Any) -> None:
        parent, key = at(data, path)
        del parent[key]

    return change
