"""From a file to a Spec: defaults, files found by folder and by name, any value."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spec_files import VALID, changed, problems_of, write

from conebench.errors import ExitCode, SpecError
from conebench.spec import find_specs, load_spec, shipped_specs


def test_a_valid_spec_is_resolved(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, VALID))
    assert spec.training.optimizer.learning_rate == 1e-3
    assert spec.dataset.image_size == 8
    assert spec.kernel.outputs == "full"
    assert spec.seeds == (0, 1)
    assert spec == spec.resolved()


def test_exit_code(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as error:
        load_spec(tmp_path / "none.yaml")
    assert error.value.exit_code is ExitCode.BAD_INPUT


def test_a_huge_grid_takes_no_memory(tmp_path: Path) -> None:
    text = changed("steps: 1000", "steps: 1000000000").replace("every: 50", "every: 1")
    with pytest.raises(SpecError, match="got 1, expected at least 2000000: a record holds at"):
        load_spec(write(tmp_path, text + "switching: {steps: [3]}\n"))


def test_find_specs(tmp_path: Path) -> None:
    files = [write(tmp_path, VALID, name) for name in ("b.yaml", "a.yaml", "c.txt")]
    b, a, text = files
    assert find_specs([tmp_path]) == [a, b]
    assert find_specs([text, b]) == [text, b]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SpecError) as error:
        find_specs([b, empty])
    assert str(error.value) == f"{empty}: the folder has no *.yaml file"


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just(10**90)
)
ANY_VALUE = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=5), st.just("name")), inner, max_size=3),
    ),
    max_leaves=6,
)
FIELDS = [
    ["name"],
    ["model"],
    ["model", "kwargs"],
    ["model", "kwargs", "a"],
    ["dataset"],
    ["dataset", "normalization"],
    ["dataset", "train_size"],
    ["training"],
    ["training", "epochs"],
    ["training", "steps"],
    ["training", "optimizer"],
    ["training", "optimizer", "sgd"],
    ["training", "schedule"],
    ["linearization"],
    ["switching"],
    ["kernel", "checkpoints"],
    ["seeds"],
    ["other"],
]


def base() -> dict[str, object]:
    return {
        "name": "test",
        "title": "A title",
        "model": {"name": "resnet", "kwargs": {}},
        "dataset": {"name": "digits"},
        "training": {
            "steps": 1000,
            "batch_size": 64,
            "optimizer": {"name": "sgd", "learning_rate": 0.1},
        },
        "kernel": {"samples": 50, "checkpoints": {"every": 50}},
        "seeds": [0],
    }


def as_yaml(value: object) -> str:
    """JSON, one field a line, with YAML's words for NaN and infinity."""
    text = json.dumps(value, indent=1)
    for json_word, yaml_word in (("-Infinity", "-.inf"), ("Infinity", ".inf"), ("NaN", ".nan")):
        text = text.replace(f" {json_word}", f" {yaml_word}")
    return text


@given(st.sampled_from(FIELDS), ANY_VALUE)
@settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_value_is_taken_or_a_spec_error(
    tmp_path: Path, field: list[str], value: object
) -> None:
    data = base()
    section: Any = data
    for part in field[:-1]:
        section = section[part]
    section[field[-1]] = value
    problems = problems_of(write(tmp_path, as_yaml(data)))
    assert all(re.match(r":\d+: ", problem) for problem in problems)


def test_find_shipped_specs_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (found,) = find_specs([Path("resnet20-c2")])
    assert (found.name, found.parent) == ("resnet20-c2.yaml", shipped_specs())
    assert load_spec(found).name == "resnet20-c2"
    # What is there comes first.
    Path("resnet20-c2").mkdir()
    own = write(tmp_path / "resnet20-c2", VALID)
    assert find_specs([Path("resnet20-c2")]) == [own.relative_to(tmp_path)]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("resnet-20", "; did you mean 'resnet20'"),
        ("mine", r"; did you mean specs/mine\.yaml\?$"),
        ("zzz", "$"),
    ],
)
def test_a_name_that_no_shipped_spec_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("specs").mkdir()
    write(Path("specs"), VALID, "mine.yaml")
    message = f"^{given}: got neither a file nor a shipped spec's name{problem}"
    with pytest.raises(SpecError, match=message):
        find_specs([Path(given)])
