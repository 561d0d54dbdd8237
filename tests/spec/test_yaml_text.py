"""YAML from strangers: what is read, what is refused and at which line."""

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conebench.errors import SpecError
from conebench.spec.yaml_text import MAX_BYTES, read_yaml
from conebench.text import one_line


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "spec.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


READ = {
    "no stays text": ("a: no", "no"),
    "yes stays text": ("a: yes", "yes"),
    "on stays text": ("a: on", "on"),
    "true": ("a: true", True),
    "null": ("a:", None),
    "float without a dot": ("a: 1e-3", 1e-3),
    "float": ("a: 1.5", 1.5),
    "int": ("a: 12", 12),
    "octal of YAML 1.1 is decimal": ("a: 010", 10),
    "clock time stays text": ("a: 12:30:00", "12:30:00"),
    "quoted date": ("a: '2020-01-01'", "2020-01-01"),
    "flow": ("a: {b: [1, x]}", {"b": [1, "x"]}),
    "alias": ("a: [&x 1, *x]", [1, 1]),
    "one document with its marks": ("---\na: 1\n...\n", 1),
    "byte order mark": ("\ufeffa: 1", 1),
    "twenty levels": ("a: " + "[" * 19 + "]" * 19, None),
}


@pytest.mark.parametrize(("text", "value"), READ.values(), ids=READ)
def test_read(tmp_path: Path, text: str, value: object) -> None:
    data, _ = read_yaml(write(tmp_path, text))
    if value is None and data["a"] is not None:
        assert str(data["a"]) == "[" * 19 + "]" * 19
    else:
        assert data == {"a": value}
        assert type(data["a"]) is type(value)


def test_lines_of_fields(tmp_path: Path) -> None:
    text = "# comment\na:\n  b: 1\n  c:\n    - x\n    - d: 2\ne: {f: 3,\n  g: 4}\n"
    _, lines = read_yaml(write(tmp_path, text))
    assert lines == {
        (): 2,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "c"): 4,
        ("a", "c", 0): 5,
        ("a", "c", 1): 6,
        ("a", "c", 1, "d"): 6,
        ("e",): 7,
        ("e", "f"): 7,
        ("e", "g"): 8,
    }


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdef", "bcdefg", strict=True)
)
TOO_DEEP = "expected at most 20 nested levels"
TOO_MANY = "expected at most 10,000 values, with aliases expanded"
KEYS = "expected text as the key: quote it"
DATE = "which YAML reads as a date: quote it"
NO_DIRECTIVE = "directives such as %YAML are not allowed"

REFUSED = {
    "empty": ("", ":1: the file is empty, expected a YAML mapping"),
    "comment only": ("# x\n", ":1: the file is empty, expected a YAML mapping"),
    "duplicate key": ("a: 1\nb: 2\na: 3\n", ':3: found duplicate key "a"'),
    "duplicate nested key": ("a:\n  b: 1\n  b: 1\n", ':3: found duplicate key "b"'),
    "duplicate with long values": (
        "a: |\n  x\n  y\na: 'z\n\n  z'\n",
        ':4: found duplicate key "a"',
    ),
    "duplicate anchor": (
        "a: &x 1\nb: &x 2\nc: *x",
        ":2: the anchor x is defined twice",
    ),
    "python tag": (
        "a: 1\nb: !!python/name:os.system x",
        ":2: got the tag tag:yaml.org,2002:python/name:os.system, but tags are not allowed",
    ),
    "local tag": ("a: !x 1", ":1: got the tag !x, but tags are not allowed"),
    "tag of a mapping": ("!x {a: 1}", ":1: got the tag !x, but tags are not allowed"),
    "tag with a line break": ("a: !x%0Ay 1", ":1: got the tag !x y, but tags are not allowed"),
    "YAML 1.1": ("%YAML 1.1\n---\na: no", f":1: {NO_DIRECTIVE}"),
    "YAML 1.2": ("%YAML 1.2\n---\na: no", f":1: {NO_DIRECTIVE}"),
    "YAML of no known version": ("%YAML 1.0", f":1: {NO_DIRECTIVE}"),
    "unknown directive": ("\ufeff# x\n%FOO x\n---\na: 1", f":2: {NO_DIRECTIVE}"),
    "TAG": ("%TAG ! tag:x,2000:\n---\na: 1", f":1: {NO_DIRECTIVE}"),
    "two documents": ("a: 1\n---\nb: 2", ":2: but found another document"),
    "billion laughs": (LAUGHS, f":1: {TOO_MANY}"),
    "many values": ("[" + "a, " * 20_000 + "]", f":1: {TOO_MANY}"),
    "self-reference": ("a: 1\nb: &b\n  - *b\n", f":2: {TOO_DEEP}"),
    "self-reference of the whole": ("&a {a: *a}", f":1: {TOO_DEEP}"),
    "21 levels": ("a: " + "[" * 20 + "]" * 20, f":1: {TOO_DEEP}"),
    "deep sequence": ("[" * 100_000, f":1: {TOO_DEEP}"),
    "deep mapping": ("{a: " * 100_000, f":1: {TOO_DEEP}"),
    "deep block": ("\n".join(" " * i + "a:" for i in range(1000)), f":21: {TOO_DEEP}"),
    "number as key": ("a: {1: x}", f":1: {KEYS}"),
    "bool as key": ("a: 1\ntrue: 2", f":2: {KEYS}"),
    "null as key": ("~: 2", f":1: {KEYS}"),
    "date as key": ("2020-01-01: 2", f":1: {KEYS}"),
    "sequence as key": ("? [a]\n: 2", f":1: {KEYS}"),
    "merge key": ("a: &x {b: 1}\nc: {<<: *x}", f":2: {KEYS}"),
    "date": ("a: 1\nb: 2020-01-01", f":2: got '2020-01-01', {DATE}"),
    "no date": ("a: 2020-13-45", f":1: got '2020-13-45', {DATE}"),
    "time": ("a: 2020-01-01T00:00:00Z", f":1: got '2020-01-01T00:00:00Z', {DATE}"),
    "long number": ("a: " + "1" * 5000, ":1: expected numbers of at most 100 characters"),
    "long hexadecimal": ("a: 0x" + "f" * 5000, ":1: expected numbers of at most 100 characters"),
    "unclosed": ("a: [1,\n", ":2: expected the node content, but found '<stream end>'"),
    "tab": ("a:\n\tb: 1", r":2: found character '\t' that cannot start any token"),
    "unknown alias": ("a: *b", ":1: found undefined alias 'b'"),
    "unpaired surrogate": (
        r'a: "x\ud800"',
        r":1: got 'x\ud800', expected text without unpaired surrogates",
    ),
    "unpaired surrogate in a key": (
        r'"\udc00": 1',
        r":1: got '\udc00', expected text without unpaired surrogates",
    ),
    "control character": (
        "a: \x07",
        ":1: not YAML 1.2: unacceptable character #x0007: special characters are not allowed",
    ),
    "Latin-1": (b"a: caf\xe9", ": not UTF-8 (byte 6)"),
    "UTF-16": ("a: 1".encode("utf-16-le") + b"\xff\xff", ": not UTF-8 (byte 8)"),
    "too large": (b"#" * 1_000_001, ": got 1,000,001 bytes, expected at most 1,000,000"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SpecError) as error:
        read_yaml(path)
    assert str(error.value) == f"{path}{message}"


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(SpecError) as error:
        read_yaml(path)
    assert str(error.value) == f"{path}: cannot be read: No such file or directory"


def test_folder_as_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as error:
        read_yaml(tmp_path)
    assert str(error.value) == f"{tmp_path}: cannot be read: Is a directory"


# Each took minutes before the events were counted: ruamel's scanner is quadratic in open brackets.
SLOW = ["[", "{a: ", "- ", "? ", "[a, ", "&a [", "a: [*a, "]


@pytest.mark.parametrize("unit", SLOW)
def test_no_megabyte_keeps_us_busy(tmp_path: Path, unit: str) -> None:
    path = write(tmp_path, (unit * MAX_BYTES)[:MAX_BYTES])
    began = time.process_time()
    with pytest.raises(SpecError):
        read_yaml(path)
    assert time.process_time() - began < 5


FRAGMENTS = r"""
a|b: |- |  |{|}|[|]|, |: |? |&a |*a|!|!!int |!!binary |!<x> |---|...|#|'|"|\|>-|<<: |=|~|0x|0o7
0b1|1e999|.nan|-.inf|2020-01-01|@|`|"\ud800"|"\x0"|%YAML 1.1|%TAG ! x|%|+|_|11111111111111111
"""
PIECES = [*FRAGMENTS.replace("\n", "|").strip("|").split("|"), "|", "\n", "\n  ", "\t", "\x85"]


def message(path: Path) -> str:
    """What is wrong with the file; the beginning of a message where nothing is."""
    try:
        read_yaml(path)
    except SpecError as error:
        return str(error)
    return f"{path}:"


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=25).map("".join)))
@settings(
    max_examples=600,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_text_is_read_or_a_spec_error(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text.encode("utf-8", "surrogatepass"))
    assert message(path) == one_line(message(path))
    assert message(path).startswith(f"{path}:")


@given(st.binary(max_size=200))
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_bytes_are_read_or_a_spec_error(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, content)
    assert message(path).startswith(f"{path}:")
