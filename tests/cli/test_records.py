"""`conebench check` and `conebench show`, as a user meets them."""

import json
from pathlib import Path

import pytest
from command_line import Call
from synthetic import make_record, make_replication, make_spec, save_replication

from conebench.record import read_record, record_text

OLDER = Path(__file__).parents[1] / "data" / "older-records"
RECORD = make_record()


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def test_check_of_a_sound_record(call: Call) -> None:
    Path("record.json").write_text(record_text(RECORD))
    line = f"record.json: sound, id {RECORD.id}, every figure as recomputed\n"
    assert call("check", "record.json") == (0, line, "")


def test_check_of_a_folder_names_each_record_and_what_is_broken(call: Call) -> None:
    Path("runs/a").mkdir(parents=True)
    Path("runs/b").mkdir()
    Path("runs/a/record.json").write_text(record_text(RECORD))
    edited = RECORD.model_copy(update={"spec_hash": "0" * 64})
    Path("runs/b/record.json").write_text(record_text(edited))
    code, out, err = call("check", "runs")
    assert code == 1
    assert out == f"runs/a/record.json: sound, id {RECORD.id}, every figure as recomputed\n"
    assert err == (
        f"runs/b/record.json: spec hash: got 00000000, but the spec gives {RECORD.spec_hash[:8]}\n"
    )


def test_check_of_replications_names_each_and_what_is_broken(call: Call) -> None:
    Path("runs/a").mkdir(parents=True)
    record = Path("runs/a/record.json")
    record.write_text(record_text(RECORD))
    sound = f"{record}: sound, id {RECORD.id}, every figure as recomputed\n"
    # A name that a record's file could have.
    named = f"2026-01-02-{RECORD.id}"
    file = save_replication(record, make_replication(RECORD, named))
    replicated = f"{file}: sound, replicated by {named}, seeds 0, 1, 2, 3, 4, bits\n"
    assert call("check", "runs") == (0, sound + replicated, "")
    assert call("check", str(record)) == (0, sound + replicated, "")
    other = save_replication(record, make_replication(make_record(noise=0.2), "ben"))
    lost = save_replication(Path("runs/gone.json"), make_replication(RECORD))
    code, out, err = call("check", "runs")
    assert (code, out) == (1, sound + replicated)
    assert err.splitlines() == [
        f"{other}: record_hash: got {make_record(noise=0.2).id}, but the record has {RECORD.id}",
        f"{lost}: its record runs/gone.json is missing",
    ]


def test_check_of_an_older_method(call: Call) -> None:
    (older,) = (OLDER / "digits").glob("*.json")
    code, out, err = call("check", str(older))
    assert (code, err) == (0, "")
    assert out.endswith("figures not compared, since they are of method 2\n")


def test_show_of_an_older_method(call: Call) -> None:
    (older,) = (OLDER / "digits").glob("*.json")
    code, out, _ = call("show", str(older))
    assert code == 0
    assert "full view, late window from w = 320; two phases in 3 seeds\n" in out
    assert "undefined: B(w), kernel benefit, Gamma(w)" in out
    assert ": no arm at w = 320\n" in out


def test_show_the_packages_of_a_record(call: Call) -> None:
    made = RECORD.provenance.model_copy(
        update={
            "versions": {"conebench": "0.1.0", "python": "3.12.1", "torch": "2.14.1+cu130"}
            | {"numpy": "2.4.6", "cuda": "13.0"},
            "git_commit": "abc123",
        }
    )
    record = RECORD.model_copy(update={"provenance": made})
    Path("record.json").write_text(record_text(record))
    code, out, err = call("show", "record.json", "--requirements")
    assert (code, err) == (0, "")
    assert (
        out
        == f"""\
# Record {record.id}: Python 3.12.1, {made.platform}, {made.device_name}, CUDA 13.0
# {made.cpu_threads} thread(s): OMP_NUM_THREADS={made.cpu_threads}
# conebench 0.1.0 of commit abc123: git switch --detach abc123
--extra-index-url https://download.pytorch.org/whl/cu130
numpy==2.4.6
torch==2.14.1+cu130
"""
    )


@pytest.mark.parametrize(
    ("command", "argument", "message"),
    [
        ("check", "missing.json", "missing.json: cannot be read: No such file or directory\n"),
        ("show", "missing.json", "missing.json: cannot be read: No such file or directory\n"),
        ("check", ".", ".: the folder holds no record\n"),
    ],
)
def test_bad_arguments(call: Call, command: str, argument: str, message: str) -> None:
    assert call(command, argument) == (1, "", message)


def test_show(call: Call) -> None:
    Path("record.json").write_text(record_text(RECORD))
    code, out, err = call("show", "record.json")
    assert (code, err) == (0, "")
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0] == f"A synthetic run (synthetic), record {RECORD.id}"
    assert "seed 0: two phases, T* 200 (change-point 200), T_fit 500" in lines
    curve = next(line for line in lines if line.startswith("  S(t, t+50)"))
    assert curve.startswith("  S(t, t+50)  ")
    assert curve.endswith(", log")
    assert any(line.split()[:3] == ["switched", "100", "70.6"] for line in lines)


def test_show_of_the_folder_of_a_run(call: Call) -> None:
    Path("runs/a").mkdir(parents=True)
    assert call("show", "runs/a") == (
        1,
        "",
        "runs/a: holds no run; expected a folder that --run-dir named\n",
    )
    Path("runs/a/record.json").write_text(record_text(RECORD))
    assert call("show", "runs/a") == call("show", "runs/a/record.json")
    assert read_record("runs/a/record.json") == RECORD


def test_show_of_a_diverged_run(call: Call) -> None:
    first = RECORD.seeds[0]
    lost = {
        "status": "diverged",
        "diverged_at": 12,
        "test_accuracy": None,
        "test_loss": None,
        "correct": None,
    }
    arms = [arm.model_copy(update=lost) if arm.arm == "full" else arm for arm in first.arms]
    seeds = [first.model_copy(update={"arms": arms}), *RECORD.seeds[1:]]
    Path("record.json").write_text(record_text(RECORD.model_copy(update={"seeds": seeds})))
    code, out, _ = call("show", "record.json")
    assert code == 0
    assert "; diverged in 1 seed, two phases in 4 seeds\n" in out
    told = "ordinary training diverged in 1 of 5 seeds, at step 12; try a smaller learning rate\n"
    assert told in out
    assert "seed 0: ordinary training diverged at step 12\n" in out


def test_show_without_a_Phase_II(call: Call) -> None:
    training = {**RECORD.spec.dump()["training"], "schedule": {"name": "cosine"}}
    record = make_record(make_spec(training=training, seeds=[3]))
    Path("record.json").write_text(record_text(record))
    code, out, _ = call("show", "record.json")
    assert code == 0
    assert "; no constant learning rate in 1 seed\n" in out
    assert "\nno constant learning rate in 1 of 1 seed\n" in out
    assert "seed 3: no constant learning rate, T_fit 500\n" in out
    assert "  late window: no constant learning rate\n" in out


def test_show_of_a_strength_that_was_cut(call: Call) -> None:
    # A kernel that drifts: alpha is above 1.
    record = make_record(make_spec(seeds=[0, 1]), settle=1000, noise=0.001)
    assert record.figures.CES.value == 0
    Path("record.json").write_text(record_text(record))
    lines = [line.split() for line in call("show", "record.json")[1].splitlines()]
    (strength,) = (line for line in lines if line[:1] == ["CES"])
    assert " ".join(strength) == "CES 0.0 cut at 0: alpha above 1"


def test_show_says_one_seed_wherever_there_is_no_interval(call: Call) -> None:
    Path("record.json").write_text(record_text(make_record(make_spec(seeds=[3]))))
    lines = call("show", "record.json")[1].splitlines()
    (turn,) = (line for line in lines if line.startswith(" turn "))
    (lazy,) = (line for line in lines if line.startswith(" lazy ") and "1 of 1" in line)
    assert turn.rstrip().endswith("one seed")
    assert "one seed" in lazy


def test_a_record_without_arms_is_shown(call: Call, tmp_path: Path) -> None:
    data = make_record().dump()
    for seed in data["seeds"]:
        seed["arms"] = []
    path = tmp_path / "record.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    code, out, err = call("show", str(path))
    assert (code, err) == (0, "")
    assert out
