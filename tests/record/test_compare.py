"""conebench.record.compare and conebench verify: what differs between a record and its replay."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from bad_disks import break_disk, mounted
from synthetic import make_record
from tiny_runs import RecordingProgress, run, tiny_spec
from typer.testing import CliRunner

from conebench.cli import app
from conebench.errors import RecordError
from conebench.record import ArmResult, Record, pack_bits, record_text, unpack_bits
from conebench.record.compare import Difference, compare_records, stack_differences
from conebench.record.replication import read_both
from conebench.runner import RunOptions
from conebench.runner.replay import replay

RECORD = make_record()


def changed(record: Record, **changes: object) -> Record:
    """The record with fields of its first seed replaced."""
    first = record.seeds[0].model_copy(update=changes)
    return record.model_copy(update={"seeds": [first, *record.seeds[1:]]})


def failing(found: list[Difference]) -> list[tuple[int, str]]:
    return [(each.seed, each.quantity) for each in found if not each.passes]


def with_arm(record: Record, name: str, **changes: object) -> Record:
    arms = [
        arm.model_copy(update=changes) if arm.arm == name else arm for arm in record.seeds[0].arms
    ]
    return changed(record, arms=arms)


@pytest.mark.parametrize("tolerance", ["bits", "rounding"])
def test_a_record_does_not_differ_from_itself(tolerance) -> None:
    found = compare_records(RECORD, RECORD, tolerance)
    assert {each.seed for each in found} == {0, 1, 2, 3, 4}
    assert {each.largest for each in found} == {0.0}
    assert failing(found) == []


def test_each_quantity_is_held_against_its_own_tolerance() -> None:
    kernel = RECORD.seeds[0].kernel
    gram = [list(row) for row in kernel.gram]
    gram[3][1] += 0.01
    other = changed(RECORD, kernel=kernel.model_copy(update={"gram": gram}))
    (difference,) = [d for d in compare_records(RECORD, other, "bits") if not d.passes]
    assert (difference.seed, difference.quantity) == (0, "G")
    assert difference.largest == pytest.approx(0.01)
    assert failing(compare_records(RECORD, other, "rounding")) == []
    gram[3][1] += 0.03
    assert failing(compare_records(RECORD, other, "rounding")) == [(0, "G")]
    norms = [1.2 * norm for norm in kernel.norm]
    other = changed(RECORD, kernel=kernel.model_copy(update={"norm": norms}))
    assert failing(compare_records(RECORD, other, "rounding")) == [(0, "norm, relative")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"test_accuracy": 0.55}, ["A(lazy(0))"]),
        ({"test_accuracy": 0.595, "test_loss": 0.5}, ["loss(lazy(0))"]),
        (
            {"status": "diverged", "diverged_at": 9, "test_accuracy": None, "test_loss": None},
            ["A(lazy(0))", "loss(lazy(0))"],
        ),
    ],
)
def test_arms_are_compared_by_name_and_step(changes, expected) -> None:
    other = with_arm(RECORD, "lazy", **changes)
    found = [name for _, name in failing(compare_records(RECORD, other, "rounding"))]
    assert found == expected


def test_an_arm_that_only_one_has_differs_unless_it_is_that_of_its_own_t_star() -> None:
    seed = RECORD.seeds[0]
    T_star = seed.phases.T_star
    assert T_star is not None
    arms = [arm for arm in seed.arms if (arm.arm, arm.step) != ("switched", T_star)]
    missing = changed(RECORD, arms=arms)
    names = [f"A(switched({T_star}))", f"loss(switched({T_star}))"]
    assert [n for _, n in failing(compare_records(RECORD, missing, "rounding"))] == names
    moved = T_star + RECORD.spec.kernel.checkpoints.every
    arm = ArmResult(
        arm="switched",
        step=moved,
        status="finished",
        diverged_at=None,
        test_accuracy=0.5,
        test_loss=1.0,
    )
    phases = seed.phases
    other = changed(
        RECORD, arms=[*arms, arm], phases=phases.__class__(**{**vars(phases), "T_star": moved})
    )
    assert failing(compare_records(RECORD, other, "rounding")) == []
    assert failing(compare_records(RECORD, other, "bits")) == [(0, "T* in intervals")]


def test_views_bits_and_curves_are_compared() -> None:
    kernel = RECORD.seeds[0].kernel
    trace, summed = kernel.views or ()
    norms = [1.2 * norm for norm in summed.norm]
    views = [trace, summed.model_copy(update={"norm": norms})]
    other = changed(RECORD, kernel=kernel.model_copy(update={"views": views}))
    found = failing(compare_records(RECORD, other, "rounding"))
    assert found == [(0, "norm of sum, relative")]
    lazy = next(arm for arm in RECORD.seeds[0].arms if arm.arm == "lazy")
    assert lazy.correct is not None
    assert lazy.curve is not None
    bits = unpack_bits(lazy.correct, 360)
    swapped = pack_bits(bits[::-1])
    curve = lazy.curve.model_copy(update={"train_loss": [9.0] * len(lazy.curve.steps)})
    other = with_arm(RECORD, "lazy", correct=swapped, curve=curve)
    found = failing(compare_records(RECORD, other, "rounding"))
    assert found == [(0, "images(lazy(0))"), (0, "train loss(lazy(0))")]


def test_an_older_record_is_held_against_its_replay_in_what_both_have() -> None:
    seeds = [
        seed.model_copy(
            update={
                "kernel": seed.kernel.model_copy(update={"views": None}),
                "arms": [
                    arm.model_copy(update={"correct": None, "curve": None}) for arm in seed.arms
                ],
            }
        )
        for seed in RECORD.seeds
    ]
    older = RECORD.model_copy(update={"seeds": seeds})
    found = compare_records(older, RECORD, "bits")
    assert failing(found) == []
    assert "G of trace" not in {each.quantity for each in found}
    # It has more digits than its replay.
    gram = [[entry + 2e-11 for entry in row[:-1]] + row[-1:] for row in seeds[0].kernel.gram]
    precise = changed(older, kernel=seeds[0].kernel.model_copy(update={"gram": gram}))
    assert failing(compare_records(precise, RECORD, "bits")) == []


def test_other_checkpoints_are_not_compared() -> None:
    training = RECORD.seeds[0].training
    other = changed(
        RECORD, training=training.model_copy(update={"steps": [0, *training.steps[2:]]})
    )
    found = [each for each in compare_records(RECORD, other, "rounding") if each.seed == 0]
    assert failing(found) == [(0, "checkpoints")]
    assert "G" not in {each.quantity for each in found}


def test_stacks_differ_in_what_may_change_last_bits() -> None:
    before = RECORD.provenance
    assert stack_differences(before, before.model_copy(update={"wall_seconds": 1.0})) == []
    other = before.model_copy(
        update={"cpu_threads": 1, "versions": {"conebench": "0.1.0", "torch": "2.14.0"}}
    )
    assert stack_differences(before, other) == ["threads: 2 -> 1", "torch: 2.13.0 -> 2.14.0"]


def test_a_record_is_verified_on_its_own_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    record = run(tiny_spec(seeds=[0]), tmp_path)
    path = tmp_path / "record.json"
    arguments = ["verify", str(path), "--run-dir", str(tmp_path / "replay")]
    path.write_text(record_text(record))
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "stack: the same\nverified: all " in done.stdout
    file = tmp_path / "record.replications" / "anna.json"
    done = CliRunner().invoke(app, [*arguments, "--attest", "anna"])
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith(f"wrote {file}; now: conebench submit {file}\n")
    found = read_both(file)
    assert (found.seeds, found.tolerance, found.replay_hash) == ([0], "bits", record.hash)
    done = CliRunner().invoke(app, [*arguments, "--attest", "anna"])
    assert done.exit_code == 1
    assert done.stderr == f"{file} already exists; nothing is overwritten\n"
    with mounted(tmp_path / "disk", "2m") as disk:
        shutil.copy(path, disk)
        break_disk(disk, "full")
        full = ["verify", str(disk / "record.json"), *arguments[2:], "--attest", "anna"]
        done = CliRunner().invoke(app, full)
        left = list((disk / "record.replications").glob("*"))
    assert done.exit_code == 3
    assert done.stderr.endswith("anna.json: No space left on device\n")
    assert left == []
    # The replay is kept in its folder, so only what is compared changes.
    none_right = {"test_accuracy": 0.0, "correct": pack_bits(np.zeros(50, dtype=bool))}
    path.write_text(record_text(with_arm(record, "lazy", **none_right)))
    done = CliRunner().invoke(app, [*arguments, "--attest", "ben"])
    assert done.exit_code == 1
    assert not (file.parent / "ben.json").exists()
    rows = [line.split() for line in done.stdout.splitlines() if " differs" in line]
    assert {row[1] for row in rows} == {"A(lazy(0))", "images(lazy(0))"}
    other = record.data.model_copy(update={"hash": "1" * 64})
    options = RunOptions(tmp_path, tmp_path / "replay", torch.device("cpu"))
    progress = RecordingProgress()
    with pytest.raises(RecordError, match=r"^data.hash: the images here differ from the record's"):
        replay(record.model_copy(update={"data": other}), options, progress)
    # Nothing was computed for it.
    assert (progress.stages, progress.planned) == ([], 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "7"], "--seed: got 7, expected the record's seeds: 0, 1, 2, 3, 4\n"),
        (
            ["--attest", "A/b"],
            "--attest: got 'A/b', expected a GitHub name in lower case: at most 39 letters, "
            "digits and single hyphens\n",
        ),
        (
            ["--run-dir", "runs"],
            "--run-dir: got runs, the folder of the record itself; choose another one\n",
        ),
    ],
)
def test_wrong_options_of_verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs/synthetic/record.json"
    path.parent.mkdir(parents=True)
    path.write_text(record_text(RECORD))
    done = CliRunner().invoke(app, ["verify", str(path), *arguments])
    assert (done.exit_code, done.stderr) == (1, message)
