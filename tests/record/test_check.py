"""conebench.record.check: each broken invariant by its name, and each changed figure."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from changes import Change, at, put
from synthetic import BASE_SPEC, make_record, make_spec

from conebench.errors import RecordError
from conebench.record import METHOD, record_text
from conebench.record.check import check_record
from conebench.spec import content_hash

RECORD = make_record()
DATA = RECORD.dump()
DROPS = make_record(
    make_spec(
        training={
            **BASE_SPEC["training"],
            "schedule": {"name": "multistep", "milestones": [0.6, 0.8]},
        },
        switching={"steps": []},
    )
)


def write(folder: Path, data: Any, name: str = "record.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(data))
    return path


def changed(change: Change) -> Any:
    data = copy.deepcopy(DATA)
    change(data)
    return data


def findings(folder: Path, change: Change, name: str = "record.json") -> list[tuple[str, str]]:
    return [tuple(f) for f in check_record(write(folder, changed(change), name)).findings]


@pytest.mark.parametrize("record", [RECORD, DROPS, make_record(noise=0.4)])
def test_a_sound_record(tmp_path: Path, record: Any) -> None:
    name = f"2026-01-02-{record.id}.json"
    (tmp_path / name).write_text(record_text(record))
    checked = check_record(tmp_path / name)
    assert (checked.findings, checked.figures_compared) == ([], True)
    assert checked.record == record


def impossible_gram(data: Any) -> None:
    """Three kernels of which the first equals both others, which are orthogonal."""
    rows = data["seeds"][1]["kernel"]["gram"]
    rows[1][0] = rows[2][0] = 1.0
    rows[2][1] = 0.0


def without_an_arm(data: Any) -> None:
    arms = data["seeds"][0]["arms"]
    arms.remove(next(arm for arm in arms if arm["arm"] == "switched" and arm["step"] == 100))


def with_an_arm_twice(data: Any) -> None:
    data["seeds"][0]["arms"].append(data["seeds"][0]["arms"][1])


def cut_short(data: Any) -> None:
    """As if the run had ended, well, after ten checkpoints."""
    for seed in data["seeds"]:
        for part in (seed["training"], seed["kernel"], *seed["kernel"]["views"]):
            for name, values in part.items():
                if name not in ("name", "views"):
                    part[name] = values[:10]


def with_another_checkpoint(data: Any) -> None:
    data["seeds"][0]["training"]["steps"][1] = 7


def with_a_bad_spec(data: Any) -> None:
    data["spec"]["switching"]["steps"] = [103]
    data["spec_hash"] = content_hash(data["spec"])


BROKEN: dict[str, tuple[Change, str, str]] = {
    "another spec's hash": (
        put("spec_hash", "0" * 64),
        "spec hash",
        f"got 00000000, but the spec gives {RECORD.spec_hash[:8]}",
    ),
    "impossible distances": (impossible_gram, "gram positive semi-definite", "seed 1: "),
    "a trace below the norm": (
        put("seeds.0.kernel.trace.3", 1.0),
        "scale",
        "seed 0: expected traces between the norm and sqrt(rows) times the norm",
    ),
    "a trace above any": (put("seeds.0.kernel.trace.3", 1e6), "scale", "seed 0: "),
    "impossible distances of a view": (
        put("seeds.0.kernel.views.1.gram.2", [1.0, 0.0, 1.0]),
        "gram of sum positive semi-definite",
        "seed 0: ",
    ),
    "a trace that is not the kernel's": (
        put("seeds.0.kernel.views.0.trace.3", 250.0),
        "views",
        "seed 0: expected C times the trace of `trace` to be that of the kernel",
    ),
    "a view above its kernel": (
        put("seeds.0.kernel.views.0.norm.3", 290.0),
        "views",
        "seed 0: the norm or trace of a view is too large for the kernel's",
    ),
    "a share above one": (
        put("seeds.2.kernel.top_eigenvalue_share.0", 1.5),
        "top-eigenvalue share",
        "seed 2: got 0.3 to 1.5",
    ),
    "a share below any": (
        put("seeds.2.kernel.top_eigenvalue_share.0", 1e-5),
        "top-eigenvalue share",
        "seed 2: got 1e-05 to 0.3",
    ),
    "alignment beyond one": (
        put("seeds.0.kernel.label_alignment.0", -1.5),
        "label alignment",
        "seed 0: expected -1 to 1",
    ),
    "checkpoints are missing": (cut_short, "checkpoints", "seed 0: those of training differ"),
    "a checkpoint that the spec has not": (
        with_another_checkpoint,
        "checkpoints",
        "seed 0: those of training differ from the spec's",
    ),
    "an older method in schema 1.4": (
        put("method", 2),
        "method",
        "got 2, which schema 1.4 does not have",
    ),
    "a spec that does not fit together": (
        with_a_bad_spec,
        "spec switching.steps",
        "got step 103, expected a checkpoint",
    ),
    "a switched arm is missing": (
        without_an_arm,
        "arms",
        "seed 0: switched(100) is missing",
    ),
    "an arm twice": (with_an_arm_twice, "arms", "seed 0: an arm appears twice"),
    "another end of full": (
        put("seeds.0.training.test_accuracy.22", 0.99),
        "arms",
        "seed 0: full is missing, or differs from the end of the training curve",
    ),
}


@pytest.mark.parametrize(("change", "invariant", "detail"), BROKEN.values(), ids=BROKEN)
def test_a_broken_invariant_is_named(
    tmp_path: Path, change: Change, invariant: str, detail: str
) -> None:
    found = findings(tmp_path, change)
    assert found[0][0] == invariant
    assert found[0][1].startswith(detail)
    assert {name for name, _ in found} <= {invariant, "arms", "views"}


FIGURES = [
    "summary.CES.value",
    "summary.CES.low",
    "summary.lazy_gap.high",
    "seeds.1.windows.0.figures.cone_deg",
    "seeds.1.windows.2.figures.alpha",
    "seeds.1.T_fit",
    "summary.benefit.high",
    "summary.switches.1.Gamma.value",
    "seeds.1.phases.floor",
    "seeds.1.phases.drift",
    "summary.A_full.seeds",
]


@pytest.mark.parametrize("figure", FIGURES)
def test_a_hand_edited_figure_is_found(tmp_path: Path, figure: str) -> None:
    def edit(data: Any) -> None:
        parent, key = at(data, figure)
        value = parent[key]
        parent[key] = value + 1 if isinstance(value, int) else value * 1.001

    ((invariant, detail),) = findings(tmp_path, edit)
    assert invariant == f"figure {figure}"
    assert detail.startswith("got ")


def test_edited_raw_data_no_longer_gives_the_figures(tmp_path: Path) -> None:
    found = findings(tmp_path, put("seeds.0.arms.1.test_loss", 0.4))
    assert found == []
    found = findings(tmp_path, put("seeds.0.kernel.views.0.gram.9.8", 0.9905))
    assert {name for name, _ in found} >= {
        "figure seeds.0.windows.0.figures.cone_deg",
        "figure summary.CES.value",
    }


def test_last_digits_are_no_finding(tmp_path: Path) -> None:
    value = DATA["summary"]["CES"]["value"]
    assert findings(tmp_path, put("summary.CES.value", np.nextafter(value, 1e3))) == []


def test_figures_of_an_older_method_are_not_compared(tmp_path: Path) -> None:
    (path,) = (Path(__file__).parents[1] / "data/older-records/digits").glob("*.json")
    data = json.loads(path.read_text())
    assert data["method"] < METHOD
    data["summary"]["CES"]["value"] = 1.0
    checked = check_record(write(tmp_path, data))
    assert (checked.findings, checked.figures_compared) == ([], False)


@pytest.mark.parametrize(
    ("name", "invariant"),
    [
        (f"2026-01-03-{RECORD.id}.json", "date"),
        ("2026-01-02-00000000.json", "id"),
        ("other.json", None),
    ],
)
def test_the_file_is_named_by_its_content(tmp_path: Path, name: str, invariant: str | None) -> None:
    found = check_record(write(tmp_path, DATA, name)).findings
    assert [finding.invariant for finding in found] == ([invariant] if invariant else [])


def test_what_is_no_record_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("{")
    with pytest.raises(RecordError, match="not JSON"):
        check_record(path)
