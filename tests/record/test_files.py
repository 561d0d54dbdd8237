"""Records on disk: exact round trips, and one line about anything else."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from changes import Change, drop, put
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic import make_record, make_spec, with_groups

from conebench.errors import ExitCode, RecordError
from conebench.record import SCHEMA_VERSION, read_record, record_text
from conebench.record.files import MAX_BYTES

NAN = float("nan")
SMALL = make_record(
    make_spec(
        kernel={"samples": 50, "checkpoints": {"every": 125}}, switching={"steps": []}, seeds=[4, 2]
    )
)
DATA = SMALL.dump()


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "record.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def changed(folder: Path, change: Change) -> Path:
    data = copy.deepcopy(DATA)
    change(data)
    return write(folder, json.dumps(data))


@pytest.mark.parametrize("record", [SMALL, make_record(), make_record(noise=0.3)])
def test_round_trip_is_exact(tmp_path: Path, record: Any) -> None:
    path = write(tmp_path, record_text(record))
    again = read_record(path)
    assert again == record
    assert again.id == record.id
    assert record_text(again).encode() == path.read_bytes()


def test_layout() -> None:
    text = record_text(SMALL)
    lines = text.splitlines()
    assert json.loads(text) == DATA
    assert lines[:2] == ["{", f'  "schema_version": "{SCHEMA_VERSION}",']
    assert '    "seeds": [4, 2]' in lines
    assert '        "steps": [0, 125, 250, 375, 500, 625, 750, 875, 1000],' in lines
    gram = lines.index('        "gram": [')
    assert lines[gram + 1] == "          [1.0],"
    assert [line.count(",") for line in lines[gram + 1 : gram + 4]] == [1, 2, 3]
    assert text.endswith("\n}\n")


def test_text_that_is_not_ascii_is_escaped(tmp_path: Path) -> None:
    provenance = SMALL.provenance.model_copy(update={"device_name": 'é "x"\u2028'})
    record = SMALL.model_copy(update={"provenance": provenance})
    text = record_text(record)
    assert text.isascii()
    assert read_record(write(tmp_path, text)) == record


def test_an_integer_is_a_number_too(tmp_path: Path) -> None:
    record = read_record(changed(tmp_path, put("seeds.0.kernel.norm.0", 500)))
    assert record == SMALL


def test_a_diverged_arm_is_read(tmp_path: Path) -> None:
    def diverge(data: Any) -> None:
        arm = data["seeds"][0]["arms"][1]
        arm.update(status="diverged", diverged_at=7, test_accuracy=None, test_loss=None)
        del arm["correct"]

    assert read_record(changed(tmp_path, diverge)).seeds[0].arms[1].diverged_at == 7


def test_a_later_minor_version_is_read(tmp_path: Path) -> None:
    assert read_record(changed(tmp_path, put("schema_version", "1.999"))).schema_version == "1.999"


NO_RECORD = "schema_version: missing, so this is not a conebench record"
GRAM = "seeds.4: kernel.gram: "
TRIANGLE = "expected a lower triangle, with i + 1 entries in row i"
COSINES = "expected cosines in [0, 1], with 1 on the diagonal"
ONE_EACH = "expected one entry per checkpoint"
STEPS = "seeds.4: kernel.steps: expected ascending steps from 0 up to 1000"
VIEWS = "seeds.4: kernel.views"
NOT_RESOLVED = "spec: expected a resolved spec, with every default filled in"
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


NOT_RECORDS = {
    "empty": (b"", "not JSON: Expecting value: line 1 column 1 (char 0)"),
    "cut off": (b'{"a": 1', "not JSON: Expecting ',' delimiter: line 1 column 8 (char 7)"),
    "list": (b"[]", NO_RECORD),
    "number": (b"12", NO_RECORD),
    "Latin-1": (
        b'{"a": "\xe9"}',
        "not JSON: 'utf-8' codec can't decode byte 0xe9 in position 7: invalid continuation byte",
    ),
    "a key twice": (
        b'{"a": 1, "b": {"c\\n": 1, "d": 2, "c\\n": 3}}',
        "not JSON: got the key 'c\\n' twice",
    ),
    "two records": (b"{} {}", "not JSON: Extra data: line 1 column 4 (char 3)"),
}


@pytest.mark.parametrize(("content", "message"), NOT_RECORDS.values(), ids=NOT_RECORDS)
def test_not_a_record(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(RecordError) as error:
        read_record(path)
    assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"schema_version": "1.0", "spec": {"a": ['])
def test_deep_nesting(tmp_path: Path, opening: str) -> None:
    path = write(tmp_path, opening + "[" * 200_000)
    with pytest.raises(RecordError, match="not JSON: "):
        read_record(path)


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(RecordError) as error:
        read_record(path)
    assert str(error.value) == f"{path}: expected at most 50,000,000 bytes"


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path, file in [
        (tmp_path / "none.json", tmp_path / "none.json"),
        (tmp_path, tmp_path / "record.json"),
    ]:
        with pytest.raises(RecordError) as error:
            read_record(path)
        assert str(error.value) == f"{file}: cannot be read: No such file or directory"
        assert error.value.exit_code is ExitCode.BAD_INPUT


def test_the_folder_of_a_run_stands_for_its_record(tmp_path: Path) -> None:
    record = make_record()
    (tmp_path / "record.json").write_text(record_text(record))
    assert read_record(tmp_path) == read_record(str(tmp_path)) == record


def outcome(path: Path) -> str:
    """The message about a file; for a record that is taken, the beginning of one."""
    try:
        record = read_record(path)
    except RecordError as error:
        return str(error)
    assert json.loads(record_text(record)) == record.dump()
    assert len(record.id) == 8
    return f"{path}: "


@given(st.one_of(st.binary(max_size=100), st.text(max_size=50).map(str.encode)))
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_bytes_are_a_record_or_a_record_error(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, content)
    assert outcome(path).startswith(f"{path}: ")


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in the data; of a list the first and the last item."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    if isinstance(value, list):
        items = items[:1] + items[-1:]
    return [
        found
        for key, inner in items
        for found in [
            (*path, key),
            *(paths(inner, (*path, key)) if isinstance(inner, dict | list) else []),
        ]
    ]


PLACES = paths(DATA)
JSON_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=10),
        st.sampled_from([10**400, -(10**20), 1e308, "1.0", "sgd", "diverged"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
DELETE = object()


@given(
    st.lists(
        st.tuples(st.sampled_from(PLACES), st.one_of(st.just(DELETE), JSON_VALUES)),
        min_size=1,
        max_size=2,
    )
)
@settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_change_gives_a_record_or_a_record_error(tmp_path: Path, changes: Any) -> None:
    data: Any = copy.deepcopy(DATA)
    for place, value in changes:
        inner = data
        try:
            for part in place[:-1]:
                inner = inner[part]
            if value is DELETE:
                del inner[place[-1]]
            else:
                inner[place[-1]] = value
        except (KeyError, IndexError, TypeError):
            pass  # the change before this one removed its place
    path = write(tmp_path, json.dumps(data))
    assert outcome(path).startswith(f"{path}: ")


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
