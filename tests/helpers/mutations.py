"""Specs and records as a stranger may send them: real ones, with a few things changed."""

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

# What a text is cut at and filled up with: YAML and JSON words, numbers at the edges, bytes that
# are no text.
WORDS = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "-",
    "?",
    "!",
    "&",
    "*",
    "#",
    "%",
    "|",
    ">",
    "'",
    '"',
    "~",
    "<",
    "=",
    "@",
    "`",
    "\\",
    "--",
    "---",
    "...",
    "<<",
    "<<:",
    "*a",
    "&a",
    "!!int",
    "!!binary",
    "!!python/name:os.system",
    "!x",
    "null",
    "true",
    "false",
    "no",
    "yes",
    ".nan",
    ".inf",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-0",
    "0x1f",
    "0o17",
    "1_000",
    "2020-01-01",
    "12:30:00",
    '"\\ud800"',
    '"\\u0000"',
    "%YAML",
    "extends:",
    "matrix:",
    "name:",
    "title:",
    "seeds:",
    "model:",
    "kwargs:",
    "training:",
    "kernel:",
    "{a:",
    "1}",
    "[1,",
    "2]",
    "[]",
    "{}",
    '"__proto__"',
    "../x",
    "C:\\x",
    "con.yaml",
]
BLANKS = ["\n", "\n  ", "\n      ", " ", "\t", "\r", "\x85", "\u2028", "\ufeff", "\x00", "\x1b[2J"]
PIECES: list[bytes] = [
    *(word.encode() for word in (*WORDS, *BLANKS)),
    b"\xff",
    b"\xed\xa0\x80",
    b"\xc3",
    b"[" * 300,
    b'{"a":' * 300,
    b"9" * 101,
    b"9" * 5000,
    b'"schema_version": "1.0",',
    b'"seeds": [],',
]

Edit = tuple[float, int, bytes]


def edits(most: int = 4) -> st.SearchStrategy[list[Edit]]:
    """Places in a text (0 to 1), how many bytes go there, and what comes instead."""
    piece = st.one_of(
        st.sampled_from(PIECES), st.binary(max_size=4), st.text(max_size=4).map(_utf8)
    )
    length = st.one_of(st.just(0), st.integers(0, 12), st.integers(0, 400))
    return st.lists(st.tuples(st.floats(0, 1), length, piece), min_size=1, max_size=most)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def edited(content: bytes, changes: Sequence[Edit]) -> bytes:
    """The content after these edits."""
    for at, length, piece in changes:
        place = int(at * len(content))
        content = content[:place] + piece + content[place + length :]
    return content


NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([0, 1, -1, 0.5, 1e-300, 5e-324, 1e300, 1e308, 2**31, 2**53, 2**64, -0.0]),
    st.sampled_from([10**9, 10**18, 10**400, -(10**20), float("nan"), float("inf")]),
)
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["", "sgd", "diverged", "partial", "../x", "/etc/passwd", "<script>", "\u202e"]
    ),
    st.sampled_from(["1.0", "2020-01-01", "a" * 200, "con", "\x1b[2J", "{{ 1 }}", "=1+1", "$(id)"]),
)


def _nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.integers(1, 300).map(_nested)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
REMOVED, SWAPPED, DOUBLED = "removed", "swapped", "doubled"

Path = tuple[str | int, ...]
Change = tuple[Path, tuple[str, Any]]


def places(value: Any, path: Path = ()) -> list[Path]:
    """Every place in plain data; of a list the first two items and the last."""
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    if isinstance(value, list):
        items = items[:2] + items[2:][-1:]
    found: list[Path] = []
    for key, inner in items:
        found.append((*path, key))
        if isinstance(inner, dict | list):
            found += places(inner, (*path, key))
    return found


def changes(data: Any, most: int = 3) -> st.SearchStrategy[list[Change]]:
    """Places in the data, each with a new value, the value of another place, or nothing."""
    where = st.sampled_from(places(data))
    what = st.one_of(
        st.tuples(st.just("put"), VALUES),
        st.tuples(st.just("put"), NUMBERS),
        st.tuples(st.just(SWAPPED), where),
        st.tuples(st.just(REMOVED), st.none()),
        st.tuples(st.just(DOUBLED), st.none()),
    )
    return st.lists(st.tuples(where, what), min_size=1, max_size=most)


def changed(data: Any, wanted: Sequence[Change]) -> Any:
    """The data after these changes; one whose place is gone by then is left out."""
    data = copy.deepcopy(data)
    for place, (kind, value) in wanted:
        try:
            outer, key = _at(data, place[:-1]), place[-1]
            if kind == REMOVED:
                del outer[key]
            elif kind == DOUBLED:
                outer[key] = [outer[key], copy.deepcopy(outer[key])]
            else:
                outer[key] = copy.deepcopy(_at(data, value)) if kind == SWAPPED else value
        except (KeyError, IndexError, TypeError):
            continue
    return data


def _at(data: Any, place: Path) -> Any:
    for part in place:
        data = data[part]
    return data


def as_json(data: Any) -> bytes:
    """JSON with NaN and infinities, as Python writes them."""
    return json.dumps(data).encode()
