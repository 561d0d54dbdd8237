"""What a record may hold, what it is called and with what it is compared."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from synthetic import BASE_SPEC, make_record, make_spec

from conebench.record import (
    Failure,
    KernelTrajectory,
    Record,
    SeedResult,
    SelfCheck,
    lower_triangle,
    pack_bits,
    read_record,
    recompute,
    record_text,
    unpack_bits,
)
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
    # Records keep 10 decimals.
    np.testing.assert_array_equal(kernel.G(), np.round(G, 10))
    np.testing.assert_array_equal(kernel.G(centred=True), np.round(centred, 10))
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


OLDER = Path(__file__).parents[1] / "data" / "older-records" / "digits"


def test_an_older_record_is_read_as_it_was_written() -> None:
    (path,) = OLDER.glob("*.json")
    record, written = read_record(path), json.loads(path.read_text())
    # The second method's cone and summary, and nothing of the third's.
    assert record.dump() == written
    assert written["seeds"][0]["cone"]["half_angle_deg"] > 0
    assert "half_angle_deg" in written["summary"]
    without_phase_2 = {**written["seeds"][0], "cone": None}
    read = SeedResult.model_validate_json(json.dumps(without_phase_2))
    assert read.model_dump(mode="json") == without_phase_2


def test_figures_of_an_older_record_are_recomputed_before_they_are_used() -> None:
    (path,) = OLDER.glob("*.json")
    record = read_record(path)
    with pytest.raises(TypeError, match="recompute"):
        record.figures  # noqa: B018
    with pytest.raises(ValueError, match="recompute"):
        record.seeds[0].window  # noqa: B018
    again = recompute(record)
    assert (again.view, again.seeds[0].window.start) == ("full", 320)
    assert again.figures.undefined["benefit"] == "no arm at w = 320"


def test_a_record_has_no_word_of_older_methods() -> None:
    seed = RECORD.dump()["seeds"][0]
    assert "cone" not in seed
    assert seed["windows"][0]["figures"].keys() >= {"turn_deg", "cone_deg", "alpha"}
    assert "method" not in RECORD.model_copy(update={"method": 1}).dump()
    older = RECORD.seeds[0].model_copy(
        update={"phases": replace(RECORD.seeds[0].phases, drift=None)}
    )
    assert "drift" not in older.model_dump()["phases"]


@given(st.lists(st.booleans(), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_bits_round_trip(bits: list[bool]) -> None:
    text = pack_bits(np.array(bits))
    assert unpack_bits(text, len(bits)).tolist() == bits
    with pytest.raises(ValueError, match="bytes, expected"):
        unpack_bits(text, len(bits) + 8)


def test_bits_after_the_last_image_are_refused() -> None:
    assert unpack_bits("gA==", 1).tolist() == [True]
    with pytest.raises(ValueError, match="after the last"):
        unpack_bits("wA==", 1)


def test_a_long_record_of_three_views_stays_small() -> None:
    spec = make_spec(kernel={"samples": 50, "checkpoints": {"every": 20}})
    record = make_record(spec)
    assert len(spec.checkpoint_steps) == 51
    assert (len(record.seeds), len(record.seeds[0].windows or ())) == (5, 3)
    assert len(record_text(record)) < 1_000_000


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
    "dataset": ({"dataset": {"name": "mnist"}}, {"dataset": "mnist"}),
    "many classes": (
        {"dataset": {"name": "cifar100"}, "kernel": {**KERNEL, "samples": 100}},
        {"dataset": "cifar100", "probe_samples": 100},
    ),
    "folder": (
        {
            "dataset": {"name": "imagefolder", "folder": "birds", "image_size": 64},
            "kernel": {**KERNEL, "outputs": "trace"},
        },
        {"dataset": "birds"},
    ),
    "subset": (
        {"dataset": {"name": "digits", "train_size": 1000, "image_size": 16}},
        {"dataset": "digits, 1,000 training images, 16 x 16 pixels"},
    ),
    "full has the trace view": ({"kernel": {**KERNEL, "outputs": "full"}}, {}),
    "sum": ({"kernel": {**KERNEL, "outputs": "sum"}}, {"view": "sum"}),
    "BatchNorm": (
        {"kernel": {**KERNEL, "batchnorm": "recalibrated"}},
        {"batchnorm": "recalibrated"},
    ),
    "window": ({"kernel": {**KERNEL, "window": 0.5}}, {"window": 0.5}),
    "grid": ({"kernel": {**KERNEL, "checkpoints": {"every": 100}}}, {"intervals": 10}),
    "stretch": (
        {"training": {**BASE_SPEC["training"], "schedule": {"warmup_steps": 120}}},
        {"intervals": 17},
    ),
    "another network and seed": ({"model": {"name": "vit"}, "seeds": [7]}, {}),
}


@pytest.mark.parametrize(("changes", "facts"), COMPARABILITY.values(), ids=COMPARABILITY)
def test_comparability(changes: dict[str, Any], facts: dict[str, object]) -> None:
    base = {
        "dataset": "digits",
        "view": "trace",
        "probe_samples": 50,
        "batchnorm": "eval",
        "window": 0.3,
        "intervals": 20,
        "schema": "schema 1",
    }
    record = make_record(make_spec(**{"seeds": [0], **changes}))
    assert record.comparability._asdict() == {**base, **facts}


def test_comparability_knows_the_major_version_only() -> None:
    newer = RECORD.model_copy(update={"schema_version": "1.9"})
    assert newer.comparability == RECORD.comparability
    major = RECORD.model_copy(update={"schema_version": "2.0"})
    assert major.comparability.schema == "schema 2"


def test_the_uniform_part_of_a_trajectory_leaves_extra_checkpoints_out() -> None:
    kernel = RECORD.seeds[0].kernel
    steps, G = kernel.primary.uniform(50)
    gram = kernel.primary.gram
    assert kernel.steps[:5] == [0, 5, 20, 50, 100]
    assert steps.tolist() == list(range(0, 1001, 50))
    for i, row in enumerate(steps):
        for j, column in enumerate(steps[: i + 1]):
            stored = gram[kernel.steps.index(row)][kernel.steps.index(column)]
            assert G[i, j] == G[j, i] == stored


def test_a_record_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RECORD.status = "partial"
