"""Records whose parts do not fit together, told in one line each."""

import json
from pathlib import Path
from typing import Any

import pytest
from changes import Change, drop, put
from record_files import changed, write
from synthetic import make_record, make_spec, with_groups

from conebench.errors import RecordError
from conebench.record import read_record

NAN = float("nan")
NO_RECORD = "schema_version: missing, so this is not a conebench record"
GRAM = "seeds.4: kernel.gram: "
TRIANGLE = "expected a lower triangle, with i + 1 entries in row i"
COSINES = "expected cosines in [0, 1], with 1 on the diagonal"
ONE_EACH = "expected one entry per checkpoint"
STEPS = "seeds.4: kernel.steps: expected ascending steps from 0 up to 1000"
VIEWS = "seeds.4: kernel.views"
NOT_RESOLVED = "spec: expected a resolved spec, with its defaults filled in"
ARM = "seeds.4: arms.full: expected accuracy and loss, or else the step of divergence"
NOT_A_NUMBER = "got NaN, expected a finite number"

REFUSED = {
    "no version": (drop("schema_version"), NO_RECORD),
    "version is no text": (put("schema_version", 1.0), NO_RECORD),
    "version is a word": (put("schema_version", "one"), NO_RECORD),
    "version without a minor": (put("schema_version", "1"), NO_RECORD),
    "version in other digits": (put("schema_version", "١.٠"), NO_RECORD),
    "version of many digits": (put("schema_version", "9" * 5000 + ".0"), NO_RECORD),
    "newer major": (
        put("schema_version", "2.0"),
        "schema_version: got 2.0, but this conebench reads up to 1.x; upgrade conebench",
    ),
    "NaN": (put("seeds.0.kernel.trace.3", NAN), f"seeds.0.kernel.trace.3: {NOT_A_NUMBER}"),
    "infinity": (
        put("provenance.wall_seconds", float("inf")),
        "provenance.wall_seconds: got Infinity, expected a finite number",
    ),
    "NaN among the figures": (
        put("summary.A_full.value", NAN),
        f"summary.A_full.value: {NOT_A_NUMBER}",
    ),
    "NaN in an argument of the network": (
        put("spec.model.kwargs", {"a": [NAN]}),
        "spec.model.kwargs.a: got [NaN], expected finite numbers",
    ),
    "unknown field": (put("colour", 1), "colour: unknown field"),
    "unknown field of an arm": (
        put("seeds.0.arms.0.colour", 1),
        "seeds.0.arms.0.colour: unknown field",
    ),
    "unknown field of the cone": (
        put("seeds.0.windows.0.figures.colour", 1),
        "seeds.0.windows.0.figures.colour: unknown field",
    ),
    "unknown field over two lines": (
        put("a\nb\x1b[2J", 1),
        "a b [2J: unknown field",
    ),
    "missing field": (drop("data.hash"), "data.hash: missing"),
    "missing figure": (drop("summary.CES"), "summary.CES: missing"),
    "bool for a number": (
        put("seeds.0.windows.0.figures.N", True),
        "seeds.0.windows.0.figures.N: got true, expected a number",
    ),
    "bool for an integer": (
        put("seeds.0.phases.T_star", True),
        "seeds.0.phases.T_star: got true, expected a whole number",
    ),
    "text for a number": (
        put("seeds.0.kernel.norm.0", "1"),
        'seeds.0.kernel.norm.0: got "1", expected a number',
    ),
    "accuracy in percent": (
        put("seeds.0.arms.0.test_accuracy", 95.0),
        "seeds.0.arms.0.test_accuracy: got 95.0, expected at most 1",
    ),
    "norm of nothing": (
        put("seeds.0.kernel.norm.0", 0.0),
        "seeds.0.kernel.norm.0: got 0.0, expected more than 0",
    ),
    "text for a part": (
        put("summary", "none"),
        'summary: got "none", expected a mapping of fields',
    ),
    "no seeds": (
        put("seeds", []),
        "seeds: got [], expected at least 1 values",
    ),
    "spec without its reduction": (put("spec.kernel.outputs", None), NOT_RESOLVED),
    "spec without its steps": (
        lambda data: data["spec"]["training"].update(steps=None, epochs=2),
        NOT_RESOLVED,
    ),
    "spec without any length": (put("spec.training.steps", None), NOT_RESOLVED),
    "a seed twice": (
        put("seeds.1.seed", 4),
        "seeds: got [4, 4], expected seeds of the spec, each once and in its order",
    ),
    "a seed of another spec": (
        put("seeds.1.seed", 3),
        "seeds: got [4, 3], expected seeds of the spec, each once and in its order",
    ),
    "a seed too few": (drop("seeds.1"), "status: got complete, expected partial"),
    "not as partial as it says": (
        put("status", "partial"),
        "status: got partial, expected complete",
    ),
    "no checkpoints": (put("seeds.0.kernel.steps", []), STEPS),
    "late first checkpoint": (put("seeds.0.kernel.steps.0", 1), STEPS),
    "a checkpoint twice": (put("seeds.0.kernel.steps.1", 250), STEPS),
    "a checkpoint after the end": (put("seeds.0.kernel.steps.8", 1001), STEPS),
    "a checkpoint too few": (drop("seeds.0.kernel.norm.8"), f"seeds.4: kernel.norm: {ONE_EACH}"),
    "an alignment too few": (
        drop("seeds.0.kernel.label_alignment.8"),
        f"seeds.4: kernel.label_alignment: {ONE_EACH}",
    ),
    "a self-check of no checkpoint": (
        put("seeds.0.kernel.self_check", {"steps": [3], "directions": 3, "relative_error": [0.0]}),
        "seeds.4: kernel.self_check: expected one error for each checkpoint it names",
    ),
    "a row too few": (drop("seeds.0.kernel.gram.8"), GRAM + TRIANGLE),
    "a row too short": (drop("seeds.0.kernel.gram.3.0"), GRAM + TRIANGLE),
    "the upper triangle": (
        lambda data: data["seeds"][0]["kernel"]["gram"].reverse(),
        GRAM + TRIANGLE,
    ),
    "a centred row too few": (
        drop("seeds.0.kernel.gram_centred.8"),
        f"seeds.4: kernel.gram_centred: {TRIANGLE}",
    ),
    "a cosine above 1": (put("seeds.0.kernel.gram.3.1", 1.1), GRAM + COSINES),
    "a negative cosine": (put("seeds.0.kernel.gram.3.1", -0.1), GRAM + COSINES),
    "a diagonal below 1": (put("seeds.0.kernel.gram.3.3", 0.9), GRAM + COSINES),
    "a loss too few": (drop("seeds.0.training.test_loss.3"), f"seeds.4: training: {ONE_EACH}"),
    "an accuracy too few": (
        drop("seeds.0.training.test_accuracy.3"),
        f"seeds.4: training: {ONE_EACH}",
    ),
    "no views": (drop("seeds.0.kernel.views"), f"{VIEWS}: got none, expected trace and sum"),
    "a view too few": (
        drop("seeds.0.kernel.views.1"),
        f"{VIEWS}: got trace, expected trace and sum",
    ),
    "a view at other steps": (
        put("seeds.0.kernel.views.1.steps.1", 7),
        f"{VIEWS}.sum.steps: expected those of the kernel",
    ),
    "a norm of a view too few": (
        drop("seeds.0.kernel.views.0.norm.1"),
        f"{VIEWS}.trace.norm: {ONE_EACH}",
    ),
    "averages that nobody asked for": (
        put("seeds.0.kernel.averaged", {"steps": [], "gram": [], "norm": []}),
        "seeds.4: kernel.averaged: expected if, and only if, the spec has kernel.averaged",
    ),
    "no averages": (
        put("spec.kernel.averaged", True),
        "seeds.4: kernel.averaged: expected if, and only if, the spec has kernel.averaged",
    ),
    "no bits": (drop("seeds.0.arms.1.correct"), "seeds.4: arms.lazy: correct: missing"),
    "bits that are no base64": (
        put("seeds.0.arms.1.correct", "?"),
        'seeds.0.arms.1.correct: got "?", expected base64',
    ),
    "too few bits": (
        put("seeds.0.arms.1.correct", "oA=="),
        "seeds.4: arms.lazy: correct: got 1 bytes, expected 45 for 360 images",
    ),
    "another accuracy": (
        put("seeds.0.arms.1.test_accuracy", 0.5),
        "seeds.4: arms.lazy: test_accuracy: got 0.5, but correct gives 220 of 360 images",
    ),
    "no curve": (drop("seeds.0.arms.1.curve"), "seeds.4: arms.lazy: curve: missing"),
    "a curve at other steps": (
        put("seeds.0.arms.1.curve.steps.0", 7),
        "seeds.4: arms.lazy: curve.steps: expected the checkpoints after the arm's start",
    ),
    "a curve with a loss too few": (
        drop("seeds.0.arms.1.curve.train_loss.1"),
        "seeds.4: arms.lazy: curve: expected one entry per checkpoint",
    ),
    "finished without an accuracy": (put("seeds.0.arms.0.test_accuracy", None), ARM),
    "finished and diverged": (put("seeds.0.arms.0.diverged_at", 5), ARM),
    "diverged with an accuracy": (put("seeds.0.arms.0.status", "diverged"), ARM),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, change: Change, message: str) -> None:
    path = changed(tmp_path, change)
    with pytest.raises(RecordError) as error:
        read_record(path)
    assert str(error.value) == f"{path}: {message}"


GROUPED = with_groups(
    make_record(
        make_spec(
            kernel={"samples": 50, "by": "stage", "checkpoints": {"every": 125}},
            switching={"steps": []},
            seeds=[4],
        )
    ),
    {"conv1": 250, "late": 500, "unused": None},
    late={"late": 125},
)
GROUPS = "seeds.4: kernel.groups"
OF_THE_SPEC = f"{GROUPS}: expected if, and only if, the spec has kernel.by"
ONCE = "parameters, expected each group once and 269,722 parameters in all"
REFUSED_GROUPS = {
    "none": (put("seeds.0.kernel.groups", None), OF_THE_SPEC),
    "not asked for": (put("spec.kernel.by", None), OF_THE_SPEC),
    "one too few": (drop("seeds.0.kernel.groups.1"), f"{GROUPS}: got 179,815 {ONCE}"),
    "one twice": (put("seeds.0.kernel.groups.1.name", "conv1"), f"{GROUPS}: got 269,722 {ONCE}"),
    "another number of parameters": (
        put("seeds.0.kernel.groups.1.parameters", 1),
        f"{GROUPS}: got 179,816 {ONCE}",
    ),
    "steps of no checkpoint": (
        put("seeds.0.kernel.groups.1.steps.0", 3),
        f"{GROUPS}.1: steps: expected the last of the kernel's steps",
    ),
    "a norm too few": (
        drop("seeds.0.kernel.groups.0.norm.3"),
        f"{GROUPS}.0: expected one norm and one trace per step",
    ),
    "a norm of zero": (
        put("seeds.0.kernel.groups.0.norm.3", 0.0),
        "seeds.0.kernel.groups.0.norm.3: got 0.0, expected more than 0",
    ),
    "a row too few": (drop("seeds.0.kernel.groups.0.gram.8"), f"{GROUPS}.0: gram: {TRIANGLE}"),
    "a cosine above 1": (
        put("seeds.0.kernel.groups.0.gram.3.1", 1.1),
        f"{GROUPS}.0: gram: {COSINES}",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED_GROUPS.values(), ids=REFUSED_GROUPS)
def test_groups_refused(tmp_path: Path, change: Change, message: str) -> None:
    data = GROUPED.dump()
    assert read_record(write(tmp_path, json.dumps(data))) == GROUPED
    change(data)
    path = write(tmp_path, json.dumps(data))
    with pytest.raises(RecordError) as error:
        read_record(path)
    assert str(error.value) == f"{path}: {message}"


JUDGED = {"diverged_at": None, "validation_accuracy": 0.5, "validation_loss": 1.0}
LOST = {"diverged_at": 7, "validation_accuracy": None, "validation_loss": None}


def with_grid(change: Any = len) -> Any:
    """Every arm but `full` chose the first of two learning rates, and a change to the data."""

    def apply(data: Any) -> None:
        data["spec"]["linearization"]["learning_rate"] = [0.5, 0.25]
        data["spec"]["dataset"]["validation_size"] = 100
        data["data"]["name"] = "digits, 100 of them held out"
        for seed in data["seeds"]:
            for arm in seed["arms"][1:]:
                arm["tried"] = [{"learning_rate": 0.5, **JUDGED}, {"learning_rate": 0.25, **LOST}]
                arm["learning_rate"] = 0.5
        change(data)

    return apply


def test_a_chosen_learning_rate_is_read(tmp_path: Path) -> None:
    record = read_record(changed(tmp_path, with_grid()))
    assert record.seeds[0].arms[1].learning_rate == 0.5


TRIED = "seeds.4: arms.lazy: tried: expected "
BROKEN_CHOICES = {
    "not the best": (
        put("seeds.0.arms.1.learning_rate", 0.25),
        "seeds.4: arms.lazy: learning_rate: got 0.25, expected 0.5, the best of tried",
    ),
    "none chosen": (
        put("seeds.0.arms.1.learning_rate", None),
        "seeds.4: arms.lazy: learning_rate: got None, expected 0.5, the best of tried",
    ),
    "nothing tried": (
        drop("seeds.0.arms.1.tried"),
        f"{TRIED}each learning rate of the spec's list",
    ),
    "another rate tried": (
        put("seeds.0.arms.1.tried.1.learning_rate", 0.3),
        f"{TRIED}each learning rate of the spec's list",
    ),
    "figures of a diverged one": (
        put("seeds.0.arms.1.tried.1.validation_loss", 0.1),
        f"{TRIED}validation figures, or else the step of divergence",
    ),
    "a list for full": (
        put("seeds.0.arms.0.tried", [{"learning_rate": 0.5, **JUDGED}]),
        "seeds.4: arms.full: tried: expected only with a list of learning rates",
    ),
}


@pytest.mark.parametrize(("change", "message"), BROKEN_CHOICES.values(), ids=BROKEN_CHOICES)
def test_a_choice_that_does_not_follow_is_refused(
    tmp_path: Path, change: Any, message: str
) -> None:
    path = changed(tmp_path, with_grid(change))
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("counts", [[50] * 8, [50] * 8 + [10**6]])
def test_counts_of_test_images_fit_the_checkpoints(tmp_path: Path, counts: list[int]) -> None:
    path = changed(tmp_path, put("seeds.0.training.test_images", counts))
    with pytest.raises(
        RecordError, match=r"training\.test_images: expected one count per checkpoint, at mo"
    ):
        read_record(path)
