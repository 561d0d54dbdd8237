"""Replications proposed in a clone with a bare remote, whose main has one by anna."""

from collections.abc import Callable
from pathlib import Path

import pytest
from scratch_clone import NEW, OLD, Clone, cloned, make_remote, path_of
from synthetic import make_replication

from conebench.contribution import GitTrees, board_change, problems_of, read_proposal
from conebench.record import Record, Replication, record_text
from conebench.record.replication import MAX_REPLICATION_BYTES, replication_path, replication_text

ANNA = make_replication(OLD)
BEN = make_replication(OLD, "ben", device_name="a third")


def path_by(by: str, record: Record = OLD) -> str:
    return replication_path(Path(path_of(record)), by).as_posix()


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remote")
    remote = make_remote(folder)
    clone = Clone(folder / "second", remote)
    clone.write(path_by("anna"), replication_text(ANNA))
    clone.commit(push_to="main")
    return remote


@pytest.fixture
def clone(remote: Path, tmp_path: Path) -> Clone:
    return cloned(remote, tmp_path)


def put(clone: Clone, found: Replication, path: str = "") -> None:
    clone.write(path or path_by(found.by), replication_text(found))


def changed(**changes: object) -> Replication:
    return BEN.model_copy(update=changes)


@pytest.mark.parametrize(("author", "refused"), [(None, False), ("Ben", False), ("anna", True)])
def test_a_replication_is_sound_where_its_name_is_that_of_who_proposes_it(
    clone: Clone, author: str | None, refused: bool
) -> None:
    put(clone, BEN)
    clone.commit(push_to="proposal")
    proposal = read_proposal(GitTrees(clone.folder), "origin/main", "HEAD")
    assert (proposal.records, proposal.replications) == ([], [path_by("ben")])
    line = f"{path_by('ben')}: by: got 'ben', expected the author's name 'anna'"
    assert problems_of(proposal, author) == ([line] if refused else [])


def test_a_new_record_beside_a_replicated_one_is_sound(clone: Clone) -> None:
    clone.write(path_of(NEW), record_text(NEW))
    clone.commit(push_to="proposal")
    assert clone.problems() == []
    (change,) = board_change(read_proposal(GitTrees(clone.folder), "origin/main", "HEAD"))
    assert {line[4] for line in change.lines} == {OLD.id, NEW.id}


def is_of_a_record_that_is_not_there(clone: Clone) -> None:
    put(clone, make_replication(NEW, "ben"), path_by("ben", NEW))


def comes_with_its_record(clone: Clone) -> None:
    clone.write(path_of(NEW), record_text(NEW))
    is_of_a_record_that_is_not_there(clone)


def has_a_forged_hash(clone: Clone) -> None:
    put(clone, changed(record_hash="0" * 64))


def overwrites_anothers(clone: Clone) -> None:
    put(clone, ANNA.model_copy(update={"tolerance": "rounding"}))


def removes_anothers(clone: Clone) -> None:
    (clone.folder / path_by("anna")).unlink()


def is_a_copy_of_anothers(clone: Clone) -> None:
    put(clone, ANNA.model_copy(update={"by": "ben"}))


def claims_more_than_it_reached(clone: Clone) -> None:
    put(clone, changed(largest={"cosine": 0.01}))


def was_made_by_changed_code(clone: Clone) -> None:
    put(clone, make_replication(OLD, "ben", git_dirty=True))


def is_no_json(clone: Clone) -> None:
    clone.write(path_by("ben"), "[" * 10_000)


def is_a_giant_file(clone: Clone) -> None:
    clone.write(path_by("ben"), replication_text(BEN) + " " * MAX_REPLICATION_BYTES)


def is_a_link(clone: Clone) -> None:
    (clone.folder / path_by("ben")).symlink_to("anna.json")


def is_a_script_beside_it(clone: Clone) -> None:
    clone.write(path_by("ben").replace(".json", ".sh"), "true\n")


def has_a_name_that_is_none(clone: Clone) -> None:
    put(clone, BEN, path_by("Ben Doe"))


def is_in_a_folder_of_its_own(clone: Clone) -> None:
    put(clone, BEN, "leaderboard/records/.replications/ben.json")


BAD: list[tuple[Callable[[Clone], None], str]] = [
    (is_of_a_record_that_is_not_there, ": propose a replication only after its record has"),
    (comes_with_its_record, ": propose a replication only after its record has"),
    (has_a_forged_hash, f": record_hash: got 00000000, but the record has {OLD.id}"),
    (overwrites_anothers, f"{path_by('anna')}: is changed, but only new replications may be added"),
    (removes_anothers, f"{path_by('anna')}: is removed, but only new replications may be added"),
    (is_a_copy_of_anothers, f"{path_by('ben')}: a copy of {path_by('anna')}"),
    (
        claims_more_than_it_reached,
        ": tolerance: got bits, but the largest differences need rounding",
    ),
    (was_made_by_changed_code, ": provenance.git_dirty: made with uncommitted"),
    (is_no_json, f"{path_by('ben')}: not JSON: "),
    (is_a_giant_file, " bytes, expected at most 20,000"),
    (is_a_link, f"{path_by('ben')}: is a symbolic link; add the file itself"),
    (is_a_script_beside_it, "/ben.sh: expected "),
    (has_a_name_that_is_none, "/Ben Doe.json: expected leaderboard/records/<spec>/<date>-<id>."),
    (is_in_a_folder_of_its_own, "leaderboard/records/.replications/ben.json: expected "),
]


@pytest.mark.parametrize(("spoil", "message"), BAD, ids=lambda case: getattr(case, "__name__", ""))
def test_a_bad_replication_is_refused_with_one_line(
    clone: Clone, spoil: Callable[[Clone], None], message: str
) -> None:
    spoil(clone)
    clone.commit(push_to="proposal")
    (problem,) = clone.problems()
    assert message in problem
    assert problem.isprintable()


def test_a_replication_that_was_merged_meanwhile_is_not_merged_again(clone: Clone) -> None:
    start = clone.git("rev-parse", "HEAD")
    put(clone, BEN)
    clone.commit(push_to="main")
    clone.git("reset", "--quiet", "--hard", start)
    put(clone, make_replication(OLD, "ben"))
    clone.commit(push_to="proposal")
    line = f"{path_by('ben')}: already exists, but only new replications may be added"
    assert clone.problems() == [line]
