"""conebench.spec.json_schema: what editors are told agrees with what is read."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

from conebench.spec.json_schema import make_portable, spec_json_schema
from conebench.spec.yaml_text import read_yaml

SPECS = Path(__file__).parents[2] / "specs"
SCHEMA = spec_json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

WHOLE: dict[str, Any] = {
    "name": "test",
    "title": "A title with p and C, {braces}",
    "model": {"name": "resnet18"},
    "dataset": {"name": "digits"},
    "training": {
        "steps": 100,
        "batch_size": 10,
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
    },
    "kernel": {"samples": 50, "checkpoints": {"every": 10}},
    "seeds": [0],
}
CHILD: dict[str, Any] = {"extends": "base.yaml", "name": "test", "title": "t"}


def test_the_schema_is_one_and_the_file_in_specs_is_it() -> None:
    meta.validate(SCHEMA)
    assert json.loads((SPECS / "spec.schema.json").read_text(encoding="utf-8")) == SCHEMA


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_it_takes_every_file_in_specs(path: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(read_yaml(path)[0])] == []


@pytest.mark.parametrize(
    "data",
    [
        WHOLE,
        CHILD,
        CHILD | {"training": {"optimizer": {"name": "adam", "momentum": None}}},
        CHILD | {"matrix": {"a": {"seeds": [1], "title": "t"}, "b": {"training": None}}},
        WHOLE | {"matrix": {"a": {}}},
        CHILD | {"grid": {"lr": {"a": {"seeds": [1]}, "b": {}}, "width": {"w4": {}}}},
        WHOLE | {"grid": {"lr": {"a": {}}}},
    ],
)
def test_it_takes_what_is_read(data: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(data)


@pytest.mark.parametrize(
    "data",
    [
        {key: value for key, value in WHOLE.items() if key != "seeds"},
        WHOLE | {"sedes": [0]},
        WHOLE | {"title": "a\tb"},
        WHOLE | {"seeds": []},
        WHOLE | {"training": {"optimizer": {"learning_rate": 0.1}}},
        CHILD | {"extends": "../base.yaml"},
        CHILD | {"training": {"batch_size": 0}},
        CHILD | {"training": {"batchsize": 1}},
        {"extends": "base.yaml", "title": "t"},
        CHILD | {"matrix": {}},
        CHILD | {"matrix": {"A": {}}},
        CHILD | {"matrix": {"a": {"name": "b"}}},
        CHILD | {"matrix": {"a": {"extends": "b.yaml"}}},
        CHILD | {"grid": {}},
        CHILD | {"grid": {"lr": {}}},
        CHILD | {"grid": {"lr": {"A": {}}}},
        CHILD | {"grid": {"lr": {"a": {"title": "t"}}}},
        CHILD | {"grid": {"lr": {"a": {}}}, "matrix": {"a": {}}},
    ],
)
def test_it_refuses_what_is_not(data: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(data)


def test_control_characters_are_refused_by_any_engine() -> None:
    text = {"type": "string", "pattern": r"^\P{Cc}*$"}
    schema = {"patternProperties": {text["pattern"]: text}, "additionalProperties": False}
    make_portable(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid({"plain text, αβ": "plain text, αβ"})
    for bad in ("a\tb", "a\x7f", "a\x85", "\x00"):
        assert not validator.is_valid({bad: "text"})
        assert not validator.is_valid({"text": bad})
