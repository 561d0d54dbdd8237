"""Resolution of defaults, the grid of checkpoints, the hash, immutability."""

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from synthetic import BASE_SPEC, make_spec

from conebench.spec import Spec, content_hash
from conebench.spec.datasets import DATASETS


def dataset_spec(name: str, **changes: object) -> Spec:
    of_hub = {"repo": "me/pets", "revision": "0123456" + "0" * 33}
    folder = {"imagefolder": {"folder": "birds"}, "hf": of_hub}.get(name, {})
    return make_spec(dataset={"name": name, **folder, **changes})


@pytest.mark.parametrize("name", DATASETS)
def test_reduction_and_image_size_follow_the_dataset(name: str) -> None:
    spec, facts = dataset_spec(name), DATASETS[name]
    few = facts.classes is not None and facts.classes <= 10
    expected = None if facts.classes is None else "full" if few else "trace"
    assert spec.kernel.outputs == expected
    assert spec.dataset.image_size == facts.image_size
    assert spec.dataset.train_images == facts.train_images
    own = {"imagefolder": "birds", "hf": "me/pets at 0123456"}
    assert spec.dataset.shown_name == own.get(name, name)


def test_what_is_written_wins_over_the_dataset() -> None:
    spec = make_spec(
        dataset={"name": "cifar100", "image_size": 64, "train_size": 500},
        kernel={**BASE_SPEC["kernel"], "outputs": "sum"},
    )
    assert (spec.dataset.image_size, spec.dataset.train_images) == (64, 500)
    assert spec.kernel.outputs == "sum"


EPOCHS = {
    "whole batches only": ({"name": "digits"}, 64, 3, 3 * 22),
    "all in one batch": ({"name": "digits", "train_size": 64}, 64, 3, 3),
    "subset": ({"name": "cifar10", "train_size": 1000}, 100, 2, 20),
    "C2: 160 epochs of CIFAR-10": ({"name": "cifar10"}, 128, 160, 62_400),
}


@pytest.mark.parametrize(("dataset", "batch", "epochs", "steps"), EPOCHS.values(), ids=EPOCHS)
def test_epochs_become_steps(dataset: dict[str, Any], batch: int, epochs: int, steps: int) -> None:
    training = {**BASE_SPEC["training"], "steps": None, "epochs": epochs, "batch_size": batch}
    spec = make_spec(dataset=dataset, training=training)
    assert spec.total_steps == spec.training.steps == steps
    assert spec.training.epochs == epochs


def test_the_last_batch_of_an_epoch_is_kept_on_request() -> None:
    training = {**BASE_SPEC["training"], "steps": None, "epochs": 160, "batch_size": 128}
    dropped = make_spec(dataset={"name": "cifar10"}, training=training)
    kept = make_spec(dataset={"name": "cifar10"}, training={**training, "last_batch": "kept"})
    assert (dropped.total_steps, kept.total_steps) == (160 * 390, 160 * 391)
    whole = make_spec(
        dataset={"name": "cifar10", "train_size": 1280}, training={**training, "last_batch": "kept"}
    )
    assert whole.total_steps == 160 * 10


def test_random_labels_are_part_of_the_data_that_the_board_names() -> None:
    plain = make_spec(dataset={"name": "digits", "train_size": 500})
    half = make_spec(dataset={"name": "digits", "train_size": 500, "random_labels": 0.5})
    assert half.dataset.shown_name == f"{plain.dataset.shown_name}, 50 % random labels"
    assert half.hash != plain.hash
    assert "random_labels" not in plain.dump()["dataset"]


def test_resolving_twice_changes_nothing() -> None:
    spec = make_spec()
    assert spec.resolved() == spec


def test_total_steps_needs_a_resolved_spec() -> None:
    training = {**BASE_SPEC["training"], "steps": None, "epochs": 3}
    spec = Spec.model_validate({**BASE_SPEC, "training": training}, strict=False)
    with pytest.raises(ValueError, match="total_steps needs a resolved spec"):
        _ = spec.total_steps


def test_checkpoints_are_uniform_plus_extra() -> None:
    spec = make_spec(kernel={"samples": 10, "checkpoints": {"every": 250, "extra": [20, 5, 500]}})
    assert spec.checkpoint_steps == (0, 5, 20, 250, 500, 750, 1000)


def leaves(model: BaseModel, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every field that is no section of its own."""
    found = []
    for name in type(model).model_fields:
        value = getattr(model, name)
        inside = leaves(value, (*path, name)) if isinstance(value, BaseModel) else [(*path, name)]
        found += inside
    return found


def replaced(model: BaseModel, path: tuple[str, ...], value: object) -> BaseModel:
    if len(path) > 1:
        value = replaced(getattr(model, path[0]), path[1:], value)
    return model.model_copy(update={path[0]: value})


AUGMENTATION = {"resized_crop": {}, "color_jitter": {}, "erasing": {}}
ALL_SECTIONS = make_spec(
    chaos={"pairs": [[0, 50]]}, dataset={"name": "digits", "augmentation": AUGMENTATION}
)


@pytest.mark.parametrize("path", leaves(ALL_SECTIONS), ids=".".join)
def test_every_field_is_hashed_and_frozen(path: tuple[str, ...]) -> None:
    spec = ALL_SECTIONS
    changed = replaced(spec, path, "something else")
    assert content_hash(changed.model_dump(mode="json", warnings=False)) != spec.hash
    owner: Any = spec
    for part in path[:-1]:
        owner = getattr(owner, part)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(owner, path[-1], None)


def test_hash_is_that_of_the_canonical_json() -> None:
    assert content_hash({"b": [1, 2.5], "a": None}) == content_hash({"a": None, "b": [1, 2.5]})
    # SHA-256 of {"a":1}, by sha256sum.
    expected = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    assert content_hash({"a": 1}) == expected


def test_hash_is_the_same_in_every_process_and_after_json() -> None:
    spec = make_spec(model={"name": "resnet18", "kwargs": {"b": [1, {"c": 0.1}], "a": None}})
    code = (
        "import sys, conebench.spec as s;"
        "print(s.Spec.model_validate_json(sys.stdin.read()).hash, 'torch' in sys.modules)"
    )
    text = json.dumps(spec.dump())
    other = subprocess.run(
        [sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True
    )
    assert other.stdout.split() == [spec.hash, "False"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), [{"a": float("-inf")}]])
def test_arguments_of_the_network_are_finite(number: object) -> None:
    text = json.dumps({**BASE_SPEC, "model": {"name": "resnet18", "kwargs": {"a": number}}})
    with pytest.raises(ValidationError, match="Input should hold finite numbers"):
        Spec.model_validate_json(text)


NAMES = {"digits": True, "a": True, "9.b-c_d": True, "": False, "A": False, "../x": False}
NAMES |= {".hidden": False, "a/b": False, "a\n": False, "é": False, "a" * 65: False, "a b": False}


@pytest.mark.parametrize(("name", "allowed"), NAMES.items())
def test_names_are_safe_file_names(name: str, *, allowed: bool) -> None:
    if allowed:
        assert make_spec(name=name).name == name
    else:
        with pytest.raises(ValidationError, match="string_pattern_mismatch"):
            make_spec(name=name)


def test_defaults_of_two_specs_are_not_shared() -> None:
    one, other = make_spec(), make_spec()
    one.model.kwargs["width"] = 4
    assert other.model.kwargs == make_spec().model.kwargs == {}
