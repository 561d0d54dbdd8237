"""The chaos probe of a record: left out where there is none, derived, and refused where it lies."""

import json
from pathlib import Path
from typing import Any

import pytest
from synthetic import make_record, make_spec

from conebench.errors import RecordError
from conebench.record import Record, read_record, recompute, record_text

PAIRS = [[100, 1000], [0, 1000], [0, 50]]
RECORD = make_record(make_spec(chaos={"pairs": PAIRS}))
FIGURES = ("losses", "barrier", "disagreement", "parameter_dissimilarity", "S")
LOST = {"status": "diverged", "diverged_at": 120, **dict.fromkeys(FIGURES)}


def with_first(changes: dict[str, Any]) -> dict[str, Any]:
    """The record's data with a change to the first pair of its first seed."""
    data = RECORD.dump()
    data["seeds"][0]["chaos"][0].update(changes)
    return data


def read(folder: Path, data: dict[str, Any]) -> Record:
    path = folder / "record.json"
    path.write_text(json.dumps(data))
    return read_record(path)


def test_a_record_without_the_probe_says_nothing_of_it() -> None:
    # Records from before schema 1.3 keep their ids, and their specs their hashes.
    data = make_record().dump()
    assert "chaos" not in data["spec"]
    assert all("chaos" not in seed for seed in data["seeds"])


def test_round_trip_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(record_text(RECORD))
    assert read_record(path) == RECORD
    assert recompute(RECORD) == RECORD


def test_a_diverged_copy_is_read_and_has_no_barrier(tmp_path: Path) -> None:
    record = read(tmp_path, with_first(LOST))
    assert record.seeds[0].chaos is not None
    assert recompute(record).seeds[0].chaos == record.seeds[0].chaos


def test_a_tampered_barrier_is_restored() -> None:
    seed = RECORD.seeds[0]
    assert seed.chaos is not None
    better = [result.model_copy(update={"barrier": 9.0}) for result in seed.chaos]
    tampered = seed.model_copy(update={"chaos": better})
    seeds = [tampered, *RECORD.seeds[1:]]
    assert recompute(RECORD.model_copy(update={"seeds": seeds})) == RECORD


def test_pairs_that_ordinary_training_did_not_reach_are_left_out(tmp_path: Path) -> None:
    data = RECORD.dump()
    kernel = data["seeds"][0]["kernel"]
    for part in (kernel, *kernel["views"]):
        for name, value in part.items():
            if name not in ("name", "views"):
                part[name] = value[:5]  # steps 0, 5, 20, 50, 100
    data["seeds"][0]["chaos"] = data["seeds"][0]["chaos"][2:]
    assert read(tmp_path, data).seeds[0].chaos == [RECORD.seeds[0].chaos[2]]


NEEDED = "expected all figures, or else the step of divergence"
PAIR = "seeds.0: chaos [100, 1000]"
REFUSED = {
    "NaN": (
        {"S": float("nan")},
        "seeds.0.chaos.0.S: got NaN, expected a finite number",
    ),
    "a negative loss": (
        {"losses": [-1.0, *[0.0] * 10]},
        "seeds.0.chaos.0.losses.0: got -1.0, expected at least 0",
    ),
    "disagreement in percent": (
        {"disagreement": 25.0},
        "seeds.0.chaos.0.disagreement: got 25.0, expected at most 1",
    ),
    "a cosine out of range": (
        {"parameter_dissimilarity": 2.5},
        "seeds.0.chaos.0.parameter_dissimilarity: got 2.5, expected at most 2",
    ),
    "a figure too few": ({"S": None}, f"{PAIR}: {NEEDED}"),
    "finished and diverged": ({"diverged_at": 120}, f"{PAIR}: {NEEDED}"),
    "diverged with figures": ({"status": "diverged", "diverged_at": 120}, f"{PAIR}: {NEEDED}"),
    "diverged nowhere": ({**LOST, "diverged_at": None}, f"{PAIR}: {NEEDED}"),
    "diverged before it began": (
        {**LOST, "diverged_at": 99},
        f"{PAIR}: diverged_at: expected a step from t0 to t1",
    ),
    "a loss too few": (
        {"losses": [0.25] * 10, "barrier": 0.0},
        f"{PAIR}: losses: got 10, expected 11",
    ),
    "a barrier that does not follow": (
        {"losses": [0.25, *[0.75] * 9, 0.25], "barrier": 0.25},
        f"{PAIR}: barrier: got 0.25, but the losses give 0.5",
    ),
    "another pair": (
        {"t0": 50},
        "seeds.0: chaos: got the pairs [[50, 1000], [0, 1000], [0, 50]], expected "
        "[[100, 1000], [0, 1000], [0, 50]]",
    ),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError) as caught:
        read(tmp_path, with_first(changes))
    assert str(caught.value) == f"{tmp_path / 'record.json'}: {message}"


@pytest.mark.parametrize("where", ["spec", "seed"])
def test_spec_and_seeds_go_together(tmp_path: Path, where: str) -> None:
    data = RECORD.dump()
    del (data["spec"] if where == "spec" else data["seeds"][0])["chaos"]
    with pytest.raises(RecordError, match="chaos: expected if, and only if, the spec has"):
        read(tmp_path, data)
