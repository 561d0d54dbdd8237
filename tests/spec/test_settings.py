"""Fields set on the command line: what they change, and one exact line for each problem."""

import re
from pathlib import Path

import pytest
from spec_files import VALID, write

from conebench.errors import SpecError
from conebench.spec import load_all, load_spec

SETTINGS = {
    "training.steps=500": lambda spec: spec.training.steps == 500,
    "training.optimizer.learning_rate=5e-3": (
        lambda spec: spec.training.optimizer.learning_rate == 5e-3
    ),
    "seeds=[3]": lambda spec: spec.seeds == (3,),
    "switching={steps: [100]}": lambda spec: spec.switching.steps == (100,),
    "training.optimizer.momentum=null": lambda spec: spec.training.optimizer.momentum == 0.0,
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_set_a_field(tmp_path: Path, setting: str) -> None:
    path = write(
        tmp_path, VALID.replace("learning_rate: 1e-3", "learning_rate: 1e-3\n    momentum: 0.5")
    )
    (found,) = load_all([path], settings=[setting])
    assert SETTINGS[setting](found.spec)
    assert re.fullmatch(r"test\.set-[0-9a-f]{8}", found.spec.name)
    assert found.spec.title.startswith("A title, ")
    (other,) = load_all([path], settings=["training.batch_size=32"])
    assert other.spec.name != found.spec.name


def test_set_fields_of_one_variant(tmp_path: Path) -> None:
    matrix = "matrix: {a: {}, b: {seeds: [7]}}\n"
    path = write(tmp_path, VALID + matrix)
    (found,) = load_all([path], ["test-b"], ["training.steps=500"])
    assert (found.spec.training.steps, found.spec.seeds) == (500, (7,))
    assert found.spec.name.startswith("test-b.set-")


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("training.steps", "expected FIELD=VALUE, such as training.steps=500"),
        ("training.steps=", "expected FIELD=VALUE, such as training.steps=500"),
        (".steps=1", "expected FIELD=VALUE, such as training.steps=500"),
        ("name=x", "name cannot be set; write a spec with extends"),
        ("grid.a=1", "grid cannot be set; write a spec with extends"),
        ("training.steps=0", "training.steps: got 0, expected at least 1"),
        ("training=1", "training: got 1, expected a mapping of fields"),
        ("training.steps.x=1", 'training.steps: got {"x": 1}, expected a whole number'),
        ("seeds=!x 1", "1: got the tag !x, but tags are not allowed"),
    ],
)
def test_a_setting_that_is_not_allowed(tmp_path: Path, setting: str, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_all([write(tmp_path, VALID)], settings=[setting])
    separator = ":" if problem.startswith("1:") else ": "
    assert str(caught.value) == f"--set {setting}{separator}{problem}"


def test_fields_that_no_longer_fit_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, f"{VALID}switching: {{steps: [100, 500]}}\n")
    with pytest.raises(SpecError) as caught:
        load_all([path], settings=["training.steps=80"])
    *problems, hint = str(caught.value).split("\n")
    assert len(problems) == 3
    assert hint == "set also kernel.checkpoints.every=... and switching.steps=..."
    settings = ["training.steps=80", "kernel.checkpoints.every=5", "switching.steps=[20]"]
    assert load_all([path], settings=settings)[0].spec.training.steps == 80
    # Here no other field is at fault.
    with pytest.raises(SpecError) as caught:
        load_all([write(tmp_path, VALID)], settings=["kernel.checkpoints.every=49"])
    assert "set also" not in str(caught.value)


@pytest.mark.parametrize("setting", ["name=adam", "={name: adam, learning_rate: 1e-3}"])
def test_another_optimizer_names_the_fields_to_remove(tmp_path: Path, setting: str) -> None:
    momentum = "learning_rate: 1e-3\n    momentum: 0.5\n    nesterov: true"
    path = write(tmp_path, VALID.replace("learning_rate: 1e-3", momentum))
    settings = ["training.optimizer" + ("" if setting.startswith("=") else ".") + setting]
    with pytest.raises(SpecError) as caught:
        load_all([path], settings=settings)
    hint = str(caught.value).split("\n")[-1]
    fields = ["training.optimizer.momentum=null", "training.optimizer.nesterov=null"]
    assert hint == f"set also {' and '.join(fields)}"
    assert load_all([path], settings=settings + fields)[0].spec.training.optimizer.name == "adam"


def test_names_of_changed_specs_are_kept(tmp_path: Path) -> None:
    path = write(
        tmp_path, VALID.replace("name: test", "name: a.set-12345678"), "a.set-12345678.yaml"
    )
    with pytest.raises(
        SpecError, match=r"name: got 'a\.set-12345678', but '\.set-' is kept for runs"
    ):
        load_spec(path)
