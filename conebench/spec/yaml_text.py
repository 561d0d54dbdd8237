"""Read YAML 1.2 from untrusted files as plain data with line numbers, and write it."""

import copy
import functools
import io
import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from conebench.errors import SpecError
from conebench.spec.schema import Spec
from conebench.text import first_line, one_line

MAX_BYTES = 1_000_000
MAX_NODES = 10_000
MAX_DEPTH = 20
MAX_NUMBER_LENGTH = 100

FieldPath = tuple[str | int, ...]


def read_yaml(path: Path) -> tuple[Any, dict[FieldPath, int]]:
    """Return the plain data of a YAML file, and the line (from 1) of each field.

    Raises a SpecError if the file is over 1 MB or not UTF-8, or has tags, directives, duplicate
    keys or anchors, several documents, dates, more than 10,000 values with aliases expanded, more
    than 20 nested levels, or numbers of more than 100 characters.
    """
    return parse_yaml(_read_text(path), path)


def parse_yaml(text: str, path: Path) -> tuple[Any, dict[FieldPath, int]]:
    """Return the plain data of YAML text, as `read_yaml` does; messages name the path."""
    data, lines = _parsed(path, text)
    return copy.deepcopy(data), dict(lines)


# Reading YAML is slow, and many files extend the same one.
@functools.lru_cache(maxsize=256)
def _parsed(path: Path, text: str) -> tuple[Any, dict[FieldPath, int]]:
    lines: dict[FieldPath, int] = {}
    try:
        _refuse_directives(text, path)
        yaml = YAML(typ="safe", pure=True)
        yaml.Composer = _StrictComposer
        node = yaml.compose(text)
        if node is None:
            raise SpecError(f"{path}:1: the file is empty, expected a YAML mapping")
        _walk(node, (), lines, [0])
        return yaml.constructor.construct_document(node), lines
    except _NotAllowedError as error:
        raise SpecError(f"{path}:{error.line}: {error}") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        # A duplicate key is reported with both values, which may be of any length.
        problem = str(error.problem or error.context).partition(" with value ")[0]
        hint = "; quote text that has ': '" if "mapping values" in problem else ""
        raise SpecError(f"{path}:{line}: {one_line(problem)}{hint}") from None
    except (YAMLError, ValueError, TypeError) as error:
        raise SpecError(f"{path}:1: not YAML 1.2: {one_line(first_line(error))}") from None


def yaml_text(data: Any) -> str:
    """Return plain data as YAML 1.2 in block style."""
    text = io.StringIO()
    YAML().dump(data, text)
    return text.getvalue()


def spec_text(spec: Spec) -> str:
    """Return the spec as YAML that `conebench run` accepts, with the same hash."""
    data = spec.dump()
    # A resolved spec has its length in steps even if it was written in epochs.
    if data["training"]["epochs"] is not None:
        del data["training"]["steps"]
    return "".join(_section_text(json.dumps({name: part})) for name, part in data.items())


# Writing YAML is slow, and many specs share most of their sections.
@functools.lru_cache(maxsize=256)
def _section_text(section: str) -> str:
    return yaml_text(json.loads(section))


def shown(value: Any) -> str:
    """Return a value as messages show it: JSON, cut at 60 characters."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _read_text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SpecError(f"{path}: got {size:,} bytes, expected at most {MAX_BYTES:,}")
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from None


def _refuse_directives(text: str, path: Path) -> None:
    # %YAML 1.1 would make `no` false and accept duplicate keys.
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip("\ufeff").startswith("%"):
            raise SpecError(f"{path}:{number}: directives such as %YAML are not allowed")


class _NotAllowedError(Exception):
    """Valid YAML that a spec may not contain, at a line (from 1)."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


class _StrictComposer(Composer):
    """Composer that stops at the first thing that is not allowed.

    Composing 100,000 open brackets would take minutes.
    """

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader=loader)
        self._depth = self._count = 0
        self._anchors: set[str] = set()

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose the next node."""
        event = self.parser.peek_event()
        line = event.start_mark.line + 1
        is_collection = isinstance(event, CollectionStartEvent)
        self._depth += is_collection
        self._count += 1
        _check_size(self._depth, self._count, line)
        if getattr(event, "tag", None) is not None:
            tag = one_line(event.tag)
            raise _NotAllowedError(line, f"got the tag {tag}, but tags are not allowed")
        if not isinstance(event, AliasEvent) and event.anchor:
            # ruamel would take the last one and warn.
            if event.anchor in self._anchors:
                raise _NotAllowedError(line, f"the anchor {event.anchor} is defined twice")
            self._anchors.add(event.anchor)
        node = super().compose_node(parent, index)
        self._depth -= is_collection
        return node


def _check_size(depth: int, count: int, line: int) -> None:
    if depth > MAX_DEPTH:
        raise _NotAllowedError(line, f"expected at most {MAX_DEPTH} nested levels")
    if count > MAX_NODES:
        problem = f"expected at most {MAX_NODES:,} values, with aliases expanded"
        raise _NotAllowedError(line, problem)


def _walk(node: Node, field: FieldPath, lines: dict[FieldPath, int], count: list[int]) -> None:
    # Every alias is walked again, so that ten levels of ten aliases count as 10^10 values.
    line = node.start_mark.line + 1
    count[0] += 1
    _check_size(len(field), count[0], line)
    lines.setdefault(field, line)
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if not isinstance(key, ScalarNode) or not str(key.tag).endswith(":str"):
                problem = "expected text as the key: quote it"
                raise _NotAllowedError(key.start_mark.line + 1, problem)
            lines[*field, key.value] = key.start_mark.line + 1
            _check_text(key)
            _walk(value, (*field, key.value), lines, count)
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*field, index), lines, count)
    elif str(node.tag).endswith((":timestamp", ":binary")):
        problem = f"got {node.value!r}, which YAML reads as a date: quote it"
        raise _NotAllowedError(line, problem)
    elif str(node.tag).endswith(":str"):
        _check_text(node)
    elif str(node.tag).endswith((":int", ":float")) and len(node.value) > MAX_NUMBER_LENGTH:
        # Python refuses to write integers of more than 4300 digits.
        problem = f"expected numbers of at most {MAX_NUMBER_LENGTH} characters"
        raise _NotAllowedError(line, problem)


def _check_text(node: Node) -> None:
    r"""Refuse half of a pair of surrogates, such as "\ud800", which no file can hold."""
    try:
        # A pair, as JSON writes other planes, is one character here.
        node.value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        problem = f"got {node.value!a}, expected text without unpaired surrogates"
        raise _NotAllowedError(node.start_mark.line + 1, problem) from None
