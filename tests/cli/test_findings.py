"""`conebench findings`, as a user meets it."""

import json
from pathlib import Path

import pytest
from command_line import Call
from simulated_study import study_specs
from site_folders import save, save_all
from study_records import study_record
from synthetic import make_record

from conebench.study.plan import CENTER

NAMES = (CENTER, "study-b-group-norm", "study-b-no-norm", "study-r-center")


@pytest.fixture
def records(tmp_path: Path) -> Path:
    specs = study_specs()
    found = [study_record(specs[name]) for name in NAMES]
    return save_all([*found, make_record()], tmp_path / "records")


def test_findings_of_a_part_of_the_study(call: Call, records: Path) -> None:
    code, out, err = call("findings", str(records))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("3 of 105 cells have a record (center 1 of 1, A 0 of 16, B 2 of 40")
    assert "it is confined in 3 of 3 cells" in lines[1]
    (alpha,) = (line for line in lines if line.startswith("H1b: GroupNorm") and " α " in line)
    assert "block B, 5 seeds, 10 runs" in alpha
    assert alpha.endswith("As predicted.")
    (waiting,) = (line for line in lines if "planned tests" in line)
    assert waiting.endswith("planned tests cannot be made yet.")
    at = lines.index("Block R, exploratory: 1 of its 24 cells have a record.")
    assert lines[at + 2] == (
        "With running statistics 1 of 1 cells are confined; with recalibrated statistics, 1."
    )
    # A line for each test that does not remain.
    repeated = [line for line in lines if " with running statistics, " in line]
    assert not any(line.endswith(": remains.") for line in repeated)
    assert lines[-1] == (
        "docs/study.md explains hypotheses (H1a, ...), blocks (A to F, R) and predictions."
    )
    more = call("findings", str(records), "--all")[1].splitlines()
    assert len(more) > len(lines)
    repeated = [line for line in more if " with running statistics, " in line]
    assert [line.partition(":")[0] for line in repeated] == ["H1b"] * 4
    assert repeated[2].startswith("H1b: GroupNorm instead of BatchNorm: α +")
    assert repeated[2].endswith(", 5 seeds, 10 runs: remains.")


def test_findings_as_json(call: Call, records: Path) -> None:
    code, out, _ = call("findings", str(records), "--json")
    found = json.loads(out)
    assert code == 0
    assert found["cells"]["B"]["records"] == ["study-b-group-norm", "study-b-no-norm"]
    assert len(found["findings"]) == 130
    tests = {(f["row"], f["response"]): f for f in found["findings"]}
    alpha = tests["H1b", "alpha"]
    assert alpha["test"]["effect"]["low"] < alpha["test"]["effect"]["value"]
    assert (alpha["verdict"], alpha["standing"], alpha["predicted"]) == ("found", "as predicted", 1)
    assert tests["H1a", "alpha"]["verdict"] == "undefined"
    assert tests["H1a", "alpha"]["test"]["effect"] is None
    assert found["cells"]["R"]["records"] == ["study-r-center"]
    repeated = {test["response"]: test for test in found["recalibrated"]}
    assert list(repeated) == ["turn", "cone", "alpha", "motion"]
    test = repeated["alpha"]
    assert (test["row"], test["result"]) == ("H1b", "remains")
    assert test["running"]["effect"] == alpha["test"]["effect"]
    change = test["recalibrated"]["effect"]["value"] - test["running"]["effect"]["value"]
    assert test["change"]["value"] == pytest.approx(change)


def test_records_without_the_study_say_so(call: Call, tmp_path: Path) -> None:
    save(make_record(), tmp_path / "records")
    code, out, err = call("findings", str(tmp_path / "records"))
    assert (code, err) == (0, "")
    assert out.startswith("0 of 105 cells have a record")
    code, _, err = call("findings", str(tmp_path / "nothing"))
    assert code == 1
    assert err
