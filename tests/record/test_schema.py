"""What a record may hold, what it is called and with what it is compared."""

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from synthetic import BASE_SPEC, lower_triangle, make_record, make_spec

from conebench.record import Failure, KernelTrajectory, Record, SeedResult, SelfCheck
from conebench.spec import content_hash

RECORD = make_record()


def trajectory(G: np.ndarray, centred: np.ndarray) -> KernelTrajectory:
    t = len(G)
    return KernelTrajectory(
        steps=list(range(t)),
        gram=lower_triangle(G),
        gram_centred=lower_triangle(centred),
        norm=[1.0] * t,
        trace=[1.0] * t,
        top_eigenvalue_share=[1.0] * t,
        label_alignment=[0.0] * t,
    )


@given(
    st.integers(1, 8).flatmap(
        lambda t: arrays(np.float64, (2, t, t), elements=st.floats(0, 1, allow_subnormal=False))
    )
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_lower_triangle_round_trip(matrices: np.ndarray) -> None:
    G, centred = (matrices + matrices.swapaxes(1, 2)) / 2
    kernel = trajectory(G, centred)
    np.testing.assert_array_equal(kernel.G(), G)
    np.testing.assert_array_equal(kernel.G(centred=True), centred)
    assert [len(row) for row in kernel.gram] == list(range(1, len(G) + 1))


def test_id_is_eight_hexadecimal_digits_of_the_content() -> None:
    content = RECORD.dump()
    del content["provenance"]
    assert RECORD.id == content_hash(content)[:8]
    assert re.fullmatch("[0-9a-f]{8}", RECORD.id)


def test_a_self_check_is_left_out_where_there_is_none() -> None:
    # Records from before schema 1.1 have none, and keep their ids.
    kernel = RECORD.seeds[0].kernel
    assert "self_check" not in kernel.model_dump()
    check = SelfCheck(steps=[0], directions=3, relative_error=[1e-6])
    checked = kernel.model_copy(update={"self_check": check})
    assert checked.model_dump()["self_check"]["relative_error"] == [1e-6]
    assert KernelTrajectory.model_validate(checked.model_dump()) == checked


def test_a_record_of_the_first_method_says_nothing_of_it() -> None:
    # Records from before schema 1.3 have neither method nor drift, and keep their ids.
    phases = RECORD.seeds[0].phases
    assert RECORD.dump()["seeds"][0]["phases"]["drift"] == phases.drift is not None
    older = RECORD.seeds[0].model_copy(update={"phases": replace(phases, drift=None)})
    dumped = RECORD.model_copy(update={"seeds": [older], "method": 1}).dump()
    assert "method" not in dumped
    assert dumped["seeds"][0]["phases"].keys() == {
        "outcome",
        "T_star",
        "floor",
        "change_point",
        "estimators_disagree",
    }
    assert SeedResult.model_validate_json(json.dumps(dumped["seeds"][0])) == older


def test_groups_are_left_out_where_there_are_none() -> None:
    # Records from before schema 1.3 have none, and keep their ids.
    seed = RECORD.seeds[0]
    assert "by" not in RECORD.dump()["spec"]["kernel"]
    assert "groups" not in seed.model_dump()
    assert "groups" not in seed.kernel.model_dump()


def test_id_knows_nothing_of_where_and_when() -> None:
    elsewhere = RECORD.provenance.model_copy(
        update={"device": "cuda", "wall_seconds": 1.0, "created_at": "2027", "versions": {}}
    )
    assert RECORD.model_copy(update={"provenance": elsewhere}).id == RECORD.id


@pytest.mark.parametrize("part", sorted({*Record.model_fields} - {"provenance"}))
def test_id_changes_with_the_content(part: str) -> None:
    other = make_record(make_spec(seeds=[0, 1]), noise=0.2)
    replacement = {
        "schema_version": "1.9",
        "spec_hash": "0" * 64,
        "status": "partial",
        "failures": [Failure(seed=0, stage="lazy", reason="out of memory")],
        "data": RECORD.data.model_copy(update={"hash": "1" * 64}),
        "model": RECORD.model.model_copy(update={"parameters": 1}),
        "method": 1,
    }
    changed = RECORD.model_copy(update={part: replacement.get(part, getattr(other, part))})
    assert changed.id != RECORD.id


def test_equal_runs_have_equal_ids() -> None:
    assert make_record().id == RECORD.id


KERNEL: dict[str, Any] = BASE_SPEC["kernel"]
COMPARABILITY = {
    "base": ({}, ("digits", "full", 50, "recalibrated", "schema 1")),
    "dataset": (
        {"dataset": {"name": "mnist"}},
        ("mnist", "full", 50, "recalibrated", "schema 1"),
    ),
    "many classes": (
        {"dataset": {"name": "cifar100"}, "kernel": {**KERNEL, "samples": 100}},
        ("cifar100", "trace", 100, "recalibrated", "schema 1"),
    ),
    "folder": (
        {
            "dataset": {"name": "imagefolder", "folder": "birds", "image_size": 64},
            "kernel": {**KERNEL, "outputs": "trace"},
        },
        ("birds", "trace", 50, "recalibrated", "schema 1"),
    ),
    "subset": (
        {"dataset": {"name": "digits", "train_size": 1000, "image_size": 16}},
        (
            "digits, 1,000 training images, 16 x 16 pixels",
            "full",
            50,
            "recalibrated",
            "schema 1",
        ),
    ),
    "reduction": (
        {"kernel": {**KERNEL, "outputs": "sum"}},
        ("digits", "sum", 50, "recalibrated", "schema 1"),
    ),
    "BatchNorm": (
        {"kernel": {**KERNEL, "batchnorm": "eval"}},
        ("digits", "full", 50, "eval", "schema 1"),
    ),
    "another network and training": (
        {"model": {"name": "vit"}, "seeds": [7]},
        ("digits", "full", 50, "recalibrated", "schema 1"),
    ),
}


@pytest.mark.parametrize(("changes", "key"), COMPARABILITY.values(), ids=COMPARABILITY)
def test_comparability(changes: dict[str, Any], key: tuple[object, ...]) -> None:
    spec = make_spec(**changes)
    assert RECORD.model_copy(update={"spec": spec}).comparability == key


def test_comparability_knows_the_major_version_only() -> None:
    newer = RECORD.model_copy(update={"schema_version": "1.9"})
    assert newer.comparability == RECORD.comparability
    major = RECORD.model_copy(update={"schema_version": "2.0"})
    assert major.comparability.schema == "schema 2"


def test_the_uniform_part_of_a_trajectory_leaves_extra_checkpoints_out() -> None:
    kernel = RECORD.seeds[0].kernel
    steps, G = kernel.uniform(50)
    assert kernel.steps[:5] == [0, 5, 20, 50, 100]
    assert steps.tolist() == list(range(0, 1001, 50))
    for i, row in enumerate(steps):
        for j, column in enumerate(steps[: i + 1]):
            stored = kernel.gram[kernel.steps.index(row)][kernel.steps.index(column)]
            assert G[i, j] == G[j, i] == stored


def test_a_record_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RECORD.status = "partial"
