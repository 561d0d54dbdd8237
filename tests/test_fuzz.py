"""Whatever a stranger sends, only a SpecError or a RecordError comes out.

`make fuzz` runs the same properties far longer, by chance and guided by coverage.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import Change, Edit, as_json, changed, changes, edited, edits
from synthetic import make_record, make_spec, with_groups
from typer.testing import CliRunner

from conebench.cli import app
from conebench.contribution import problems_of
from conebench.contribution.git_trees import REGULAR
from conebench.contribution.git_trees import Change as Changed
from conebench.contribution.proposal import RECORDS, SPECS, Proposal
from conebench.errors import RecordError, SpecError
from conebench.record import read_record, record_text
from conebench.record.check import check_record
from conebench.site import build_site
from conebench.spec import load_specs, spec_text
from conebench.spec.yaml_text import read_yaml, yaml_text
from conebench.text import one_line

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "specs/digits.yaml"
FACTORS = """\
extends: digits.yaml
name: factors
title: One factor at a time
matrix:
  decay: &decay
    training:
      optimizer: {weight_decay: 1e-4}
  wide:
    title: A wide network
    model: {kwargs: {width: 32}}
    chaos: {pairs: [[0, 400], [120, 400]]}
  none: {kernel: {by: null}, seeds: [0, 1]}
  both: *decay
"""
FACTORS_DATA = {
    "extends": "digits.yaml",
    "name": "factors",
    "title": "One factor at a time",
    "matrix": {"a": {"training": {"optimizer": {"weight_decay": 1e-4}}}, "b": {"seeds": [0, 1]}},
}
SPEC_TEXTS = {"digits.yaml": DIGITS.read_bytes(), "factors.yaml": FACTORS.encode()}
SPEC_DATA = {"digits.yaml": read_yaml(DIGITS)[0], "factors.yaml": FACTORS_DATA}

# As small as a record gets that has every part.
RECORD = with_groups(
    make_record(
        make_spec(
            kernel={"samples": 50, "by": "stage", "checkpoints": {"every": 125}},
            switching={"steps": [250]},
            chaos={"pairs": [[0, 1000], [250, 1000]], "points": 3},
            seeds=[4, 2],
        )
    ),
    {"conv1": 250, "late": 500},
)
RECORD_DATA = RECORD.dump()
RECORD_TEXT = record_text(RECORD).encode()

many = settings(deadline=None, suppress_health_check=list(HealthCheck))
few = settings(many, max_examples=max(1, settings.default.max_examples // 10))


@contextmanager
def folder_of(files: dict[str, bytes]) -> Iterator[Path]:
    """A folder of these files, for a while."""
    with tempfile.TemporaryDirectory() as name:
        for file, content in files.items():
            path = Path(name, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        yield Path(name)


def load(folder: Path, name: str) -> None:
    """Load a spec file; of one that is valid, use what it gives."""
    path = folder / name
    try:
        found = load_specs(path)
    except SpecError as error:
        lines = str(error).split("\n")
        assert all(line == one_line(line) and line.startswith(str(folder)) for line in lines)
        return
    for loaded in found:
        assert all(line == one_line(line) for line in loaded.warnings())
        again = folder / "again" / f"{loaded.spec.name}.yaml"
        again.parent.mkdir(exist_ok=True)
        again.write_text(spec_text(loaded.spec), encoding="utf-8")
        assert [other.spec.hash for other in load_specs(again)] == [loaded.spec.hash]


def test_what_is_changed_is_sound_before() -> None:
    with folder_of(SPEC_TEXTS | {"record.json": RECORD_TEXT}) as folder:
        names = [found.spec.name for file in SPEC_TEXTS for found in load_specs(folder / file)]
        assert names == ["digits", *(f"factors-{v}" for v in ("decay", "wide", "none", "both"))]
        assert check_record(folder / "record.json").findings == []


@given(st.sampled_from(sorted(SPEC_TEXTS)), edits())
@many
def test_any_edit_of_a_spec_gives_specs_or_a_spec_error(name: str, wanted: list[Edit]) -> None:
    with folder_of(SPEC_TEXTS | {name: edited(SPEC_TEXTS[name], wanted)}) as folder:
        for file in SPEC_TEXTS:
            load(folder, file)


@st.composite
def changed_specs(draw: st.DrawFn) -> dict[str, bytes]:
    """The two specs, with values of one or both changed."""
    files = dict(SPEC_TEXTS)
    for name in draw(
        st.lists(st.sampled_from(sorted(SPEC_DATA)), min_size=1, max_size=2, unique=True)
    ):
        data = changed(SPEC_DATA[name], draw(changes(SPEC_DATA[name])))
        # Infinities and NaN have other words in YAML; JSON's own are then text.
        files[name] = draw(st.sampled_from([as_json, lambda d: yaml_text(d).encode()]))(data)
    return files


@given(changed_specs())
@many
def test_any_value_in_specs_gives_specs_or_a_spec_error(files: dict[str, bytes]) -> None:
    with folder_of(files) as folder:
        for file in SPEC_TEXTS:
            load(folder, file)


def check(path: Path) -> None:
    """Read and check a record; of one that is read, use what it gives."""
    message = f"{path}: "
    try:
        record = read_record(path)
        assert json.loads(record_text(record)) == record.dump()
        assert len(record.id) == 8
        assert check_record(path).record == record
    except RecordError as error:
        message = str(error)
    assert message == one_line(message)
    assert message.startswith(f"{path}: ")


@given(edits())
@many
def test_any_edit_of_a_record_gives_a_record_or_a_record_error(wanted: list[Edit]) -> None:
    with folder_of({"record.json": edited(RECORD_TEXT, wanted)}) as folder:
        check(folder / "record.json")


@given(changes(RECORD_DATA))
@many
def test_any_value_in_a_record_gives_a_record_or_a_record_error(wanted: list[Change]) -> None:
    with folder_of({"record.json": as_json(changed(RECORD_DATA, wanted))}) as folder:
        check(folder / "record.json")


@given(st.lists(changes(RECORD_DATA, most=2), min_size=1, max_size=6))
@few
def test_any_records_are_on_the_board_or_left_out_with_a_reason(
    wanted: list[list[Change]],
) -> None:
    files = {
        f"records/{i}/record.json": as_json(changed(RECORD_DATA, each))
        for i, each in enumerate(wanted)
    }
    with folder_of(files) as folder:
        report = build_site([folder / "records"], folder / "site")
        left_out = {path for path, _ in report.skipped}
        assert report.shown + len(left_out) <= len(files)
        assert all(reason == one_line(reason) for _, reason in report.skipped)
        # A plain copy is left out without a word.
        contents = {folder / name: content for name, content in files.items()}
        silent = set(contents) - left_out
        assert len({contents[path] for path in silent}) == report.shown
        for command in (["check", str(folder / "records")], *(["show", str(p)] for p in contents)):
            result = CliRunner().invoke(app, command)
            assert isinstance(result.exception, SystemExit | None), result.exception
            assert result.exit_code in (0, 1)
            assert "\x1b" not in result.output


def proposed(files: dict[str, bytes]) -> Proposal:
    """A proposal of these files on top of the specs."""
    before = {f"{SPECS}{name}": content for name, content in SPEC_TEXTS.items()}
    found = [Changed(path, "M" if path in before else "A", REGULAR, "") for path in files]
    sizes = {path: len(content) for path, content in files.items()}
    return Proposal(found, before, files, sizes, frozenset())


@given(changed_specs(), changes(RECORD_DATA), st.sampled_from(["synthetic", "digits", "../x"]))
@few
def test_any_proposal_is_judged(files: dict[str, bytes], wanted: list[Change], spec: str) -> None:
    new = {f"{SPECS}{n}": c for n, c in files.items() if c != SPEC_TEXTS[n]}
    path = f"{RECORDS}{spec}/2026-01-02-{RECORD.id}.json"
    data: Any = changed(RECORD_DATA, wanted)
    problems = problems_of(proposed(new | {path: as_json(data)}))
    assert problems
    assert all(line.isprintable() for line in problems)
