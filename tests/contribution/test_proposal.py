"""conebench.contribution: good and bad proposals in a clone with a bare remote."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from scratch_clone import NEW, OLD, SPEC, Clone, clean, cloned, make_remote, path_of
from synthetic import make_record, make_spec

from conebench.contribution import (
    GitTrees,
    board_change,
    file_proposal,
    problems_of,
    read_proposal,
    remarks_of,
)
from conebench.errors import InputError
from conebench.record import CodeFacts, record_text
from conebench.record.files import MAX_BYTES
from conebench.spec import spec_text


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_remote(tmp_path_factory.mktemp("remote"))


@pytest.fixture
def clone(remote: Path, tmp_path: Path) -> Clone:
    return cloned(remote, tmp_path)


def test_a_new_record_is_sound_and_the_board_says_what_changes(clone: Clone) -> None:
    clone.write(path_of(NEW), record_text(NEW))
    clone.commit(push_to="proposal")
    assert clone.problems() == []
    proposal = read_proposal(GitTrees(clone.folder), "origin/main", "origin/proposal")
    (change,) = board_change(proposal)
    assert change.label.startswith("digits, trace view, 50 probe images")
    lines = {line[4]: line for line in change.lines}
    assert set(lines) == {OLD.id, NEW.id}
    assert (lines[NEW.id][1], lines[NEW.id][5]) == ("", "new")
    assert (lines[OLD.id][1], lines[OLD.id][5]) == ("1", "")


def test_a_record_of_another_method_goes_by_the_id_of_its_file(clone: Clone) -> None:
    older = OLD.model_copy(update={"method": 1})
    clone.git("rm", "--quiet", path_of(OLD))
    clone.write(path_of(older), record_text(older))
    clone.commit(push_to="main")
    clone.write(path_of(NEW), record_text(NEW))
    clone.commit(push_to="proposal")
    (change,) = board_change(
        read_proposal(GitTrees(clone.folder), "origin/main", "origin/proposal")
    )
    assert {line[4] for line in change.lines} == {older.id, NEW.id}


def test_a_new_spec_with_its_record_is_sound(clone: Clone) -> None:
    spec = make_spec(name="other")
    record = clean(make_record(spec))
    clone.write("specs/other.yaml", f"extends: synthetic.yaml\nname: other\ntitle: {spec.title}\n")
    clone.write(path_of(record), record_text(record))
    clone.commit(push_to="proposal")
    assert clone.problems() == []


def test_what_others_merged_meanwhile_is_no_change_of_this_proposal(clone: Clone) -> None:
    start = clone.git("rev-parse", "HEAD")
    clone.write(path_of(NEW), record_text(NEW))
    clone.commit(push_to="main")
    third = clean(make_record(SPEC, noise=0.3))
    clone.git("reset", "--quiet", "--hard", start)
    clone.write(path_of(third), record_text(third))
    clone.commit(push_to="proposal")
    assert clone.problems() == []


def _replace(clone: Clone, path: str, old: str, new: str) -> None:
    text = (clone.folder / path).read_text(encoding="utf-8")
    assert old in text
    clone.write(path, text.replace(old, new, 1))


def edits_anothers_record(clone: Clone) -> None:
    _replace(clone, path_of(OLD), '"wall_seconds": 12.5', '"wall_seconds": 1.5')


def removes_anothers_record(clone: Clone) -> None:
    (clone.folder / path_of(OLD)).unlink()


def renames_anothers_record(clone: Clone) -> None:
    clone.git("mv", path_of(OLD), path_of(OLD).replace("2026-01-02", "2026-01-03"))


def adds_code(clone: Clone) -> None:
    clone.write(path_of(NEW), record_text(NEW))
    clone.write("conebench/code.py", "x = 2\n")


def adds_a_workflow(clone: Clone) -> None:
    clone.write(path_of(NEW), record_text(NEW))
    clone.write(".github/workflows/x.yml", "on: push\n")


def adds_a_script_beside_the_records(clone: Clone) -> None:
    clone.write("leaderboard/records/synthetic/run.sh", "true\n")


def adds_the_schema_of_specs(clone: Clone) -> None:
    clone.write("specs/spec.schema.json", "{}\n")


def names_another_date(clone: Clone) -> None:
    clone.write(path_of(NEW).replace("2026-01-02", "2026-01-03"), record_text(NEW))


def names_another_hash(clone: Clone) -> None:
    clone.write(path_of(NEW).replace(NEW.id, "0" * 8), record_text(NEW))


def lies_in_another_folder(clone: Clone) -> None:
    clone.write(path_of(NEW).replace("/synthetic/", "/digits/"), record_text(NEW))


def has_a_hand_edited_figure(clone: Clone) -> None:
    strength = NEW.summary.CES
    assert strength is not None
    edited = replace(NEW.summary, CES=replace(strength, value=99.0))
    record = NEW.model_copy(update={"summary": edited})
    clone.write(path_of(record), record_text(record))


def is_edited_and_keeps_its_name(clone: Clone) -> None:
    clone.write(path_of(NEW), record_text(NEW).replace('"parameters": 269722', '"parameters": 1'))


def has_another_spec_hash(clone: Clone) -> None:
    record = NEW.model_copy(update={"spec_hash": "0" * 64})
    clone.write(path_of(record), record_text(record))


def is_of_a_spec_that_is_not_here(clone: Clone) -> None:
    record = clean(make_record(make_spec(name="absent", seeds=[0, 1])))
    clone.write(path_of(record), record_text(record))


def is_of_a_changed_spec(clone: Clone) -> None:
    record = clean(make_record(make_spec(seeds=[0, 1], title="Better")))
    clone.write(path_of(record), record_text(record))


def is_a_smoke_run(clone: Clone) -> None:
    record = clean(make_record(make_spec(name="synthetic.smoke", seeds=[0, 1])))
    clone.write(path_of(record), record_text(record))


def is_a_run_with_set(clone: Clone) -> None:
    record = clean(make_record(make_spec(name="synthetic.set-12345678", seeds=[0, 1])))
    clone.write(path_of(record), record_text(record))


def is_of_a_network_that_nobody_else_has(clone: Clone) -> None:
    record = clean(make_record(make_spec(seeds=[0, 1], model={"name": "mynet"})))
    clone.write(path_of(record), record_text(record))


def is_partial(clone: Clone) -> None:
    part = NEW.model_copy(update={"seeds": NEW.seeds[:1], "status": "partial"})
    clone.write(path_of(part), record_text(part))


def was_made_by_changed_code(clone: Clone) -> None:
    record = clean(NEW, git_dirty=True)
    clone.write(path_of(record), record_text(record))


def has_a_stage_of_changed_code(clone: Clone) -> None:
    code = CodeFacts(hash="a" * 64, git_commit="c" * 40, git_dirty=False)
    changed = code.model_copy(update={"git_dirty": True})
    record = clean(NEW, codes=[code, changed])
    clone.write(path_of(record), record_text(record))


def has_a_stage_of_code_that_is_not_known(clone: Clone) -> None:
    record = clean(NEW, codes=[None])
    clone.write(path_of(record), record_text(record))


def was_made_outside_a_checkout(clone: Clone) -> None:
    record = clean(NEW, git_commit=None, git_dirty=None)
    clone.write(path_of(record), record_text(record))


def has_no_commit(clone: Clone) -> None:
    record = clean(NEW, git_commit=None)
    clone.write(path_of(record), record_text(record))


def is_of_the_future(clone: Clone) -> None:
    record = clean(NEW, created_at="2099-01-02T03:04:05Z")
    clone.write(path_of(record).replace("2026-01-02", "2099-01-02"), record_text(record))


def is_a_duplicate_of_another_date(clone: Clone) -> None:
    again = clean(OLD, created_at="2026-02-03T00:00:00Z")
    clone.write(path_of(again).replace("2026-01-02", "2026-02-03"), record_text(again))


def comes_twice(clone: Clone) -> None:
    clone.write(path_of(NEW), record_text(NEW))
    again = clean(NEW, created_at="2026-02-03T00:00:00Z")
    clone.write(path_of(NEW).replace("2026-01-02", "2026-02-03"), record_text(again))


def has_a_line_break_in_its_name(clone: Clone) -> None:
    clone.write(path_of(NEW).replace("2026-", "2026\n-"), record_text(NEW))


def is_a_giant_file(clone: Clone) -> None:
    clone.write(path_of(NEW), record_text(NEW) + " " * MAX_BYTES)


def is_a_link(clone: Clone) -> None:
    target = clone.folder / path_of(NEW)
    target.symlink_to("/etc/passwd")


def is_a_program(clone: Clone) -> None:
    clone.write(path_of(NEW), record_text(NEW))
    (clone.folder / path_of(NEW)).chmod(0o755)


def is_many_files(clone: Clone) -> None:
    for i in range(51):
        clone.write(f"specs/a{i}.yaml", "x\n")


def is_no_json(clone: Clone) -> None:
    clone.write(path_of(NEW), "[" * 100_000)


def says_the_same_in_other_words(clone: Clone) -> None:
    text = record_text(NEW).replace('"parameters": 269722', '"parameters": 269722.0')
    clone.write(path_of(NEW), text)


def changes_a_spec_that_has_a_record(clone: Clone) -> None:
    _replace(clone, f"specs/{SPEC.name}.yaml", "batch_size: 64", "batch_size: 32")


def removes_a_spec_that_has_a_record(clone: Clone) -> None:
    (clone.folder / f"specs/{SPEC.name}.yaml").unlink()
    clone.write("specs/other.yaml", spec_text(make_spec(name="other")))


def adds_a_spec_that_is_not_valid(clone: Clone) -> None:
    clone.write("specs/bad.yaml", "extends: synthetic.yaml\nname: bad\ntitle: Bad\nseeds: []\n")


def adds_a_second_spec_of_a_name(clone: Clone) -> None:
    clone.write(
        "specs/syn.yaml",
        "extends: synthetic.yaml\nname: syn\ntitle: t\nmatrix: {a: {}}\n",
    )
    clone.write("specs/syn-a.yaml", "extends: synthetic.yaml\nname: syn-a\ntitle: t\n")


def test_images_that_nobody_else_has_are_remarked(clone: Clone) -> None:
    trees, sound = GitTrees(clone.folder), record_text(NEW).encode()
    assert remarks_of(file_proposal(trees, path_of(NEW), sound)) == []
    dataset = {"name": "imagefolder", "folder": "pets", "image_size": 8}
    record = clean(make_record(make_spec(seeds=[0, 1], dataset=dataset)))
    path, text = path_of(record), record_text(record).encode()
    (remark,) = remarks_of(file_proposal(trees, path, text))
    assert remark.startswith(f"{path}: its images are a folder of the author's, so nobody else")


BAD: list[tuple[Callable[[Clone], None], str]] = [
    (edits_anothers_record, f"{path_of(OLD)}: is changed, but only new records may be added"),
    (removes_anothers_record, f"{path_of(OLD)}: is removed, but only new records may be added"),
    (renames_anothers_record, f"{path_of(OLD)}: is removed, but only new records may be added"),
    (adds_code, "conebench/code.py: changed together with records; propose"),
    (adds_a_workflow, ".github/workflows/x.yml: changed together with records; propose"),
    (adds_a_script_beside_the_records, "leaderboard/records/synthetic/run.sh: expected specs/"),
    (adds_the_schema_of_specs, "specs/spec.schema.json: expected specs/<name>.yaml or"),
    (names_another_date, ": date: the file is named 2026-01-03, but it was made on 2026-01-02T"),
    (names_another_hash, f": id: the file is named 00000000, but its content gives {NEW.id}"),
    (lies_in_another_folder, f": expected the path {path_of(NEW)}"),
    (has_a_hand_edited_figure, ": figure summary.CES.value: got 99.0, but the data give "),
    (is_edited_and_keeps_its_name, f": id: the file is named {NEW.id}, but its content gives "),
    (has_another_spec_hash, ": spec hash: got 00000000, but the spec gives "),
    (
        is_of_a_spec_that_is_not_here,
        ": spec: the last commit has no spec named 'absent' in specs/; commit it",
    ),
    (is_of_a_changed_spec, ": spec: differs from 'synthetic' in specs/, whose hash is "),
    (is_a_smoke_run, ": spec: a smoke run is not for the board"),
    (is_a_run_with_set, ": spec: a run with --set is not for the board; write a spec with "),
    (is_of_a_network_that_nobody_else_has, ": spec.model.name: neither timm nor conebench has"),
    (is_partial, ": status: got partial, expected complete"),
    (was_made_by_changed_code, ": provenance.git_dirty: made with uncommitted changes"),
    (has_a_stage_of_changed_code, ": provenance.git_dirty: made with uncommitted changes"),
    (has_a_stage_of_code_that_is_not_known, ": provenance.git_dirty: the code of some stages"),
    (was_made_outside_a_checkout, ": provenance.git_dirty: the code of some stages is not known"),
    (has_no_commit, ": provenance.git_commit: got null, expected the commit"),
    (is_of_the_future, ": provenance.created_at: got 2099-01-02T03:04:05Z, which is in the future"),
    (is_a_duplicate_of_another_date, f": a duplicate of {path_of(OLD)}"),
    (comes_twice, f": a duplicate of {path_of(NEW)}"),
    (has_a_line_break_in_its_name, "/2026 -01-02-"),
    (is_a_giant_file, " bytes, expected at most 50,000,000"),
    (is_a_link, f"{path_of(NEW)}: is a symbolic link; add the file itself"),
    (is_a_program, f"{path_of(NEW)}: is executable; chmod -x it"),
    (is_many_files, "got 51 changed files, expected at most 50"),
    (is_no_json, f"{path_of(NEW)}: not JSON: "),
    (says_the_same_in_other_words, f"{path_of(NEW)}: model.parameters: "),
    (changes_a_spec_that_has_a_record, f"{path_of(OLD)}: its spec 'synthetic' changed; give the"),
    (removes_a_spec_that_has_a_record, f"{path_of(OLD)}: its spec 'synthetic' changed; give the"),
    (adds_a_spec_that_is_not_valid, "specs/bad.yaml:4: seeds: "),
    (adds_a_second_spec_of_a_name, "name: got 'syn-a' twice, also in specs/syn"),
]


@pytest.mark.parametrize(("spoil", "message"), BAD, ids=lambda case: getattr(case, "__name__", ""))
def test_a_bad_proposal_is_refused(
    clone: Clone, spoil: Callable[[Clone], None], message: str
) -> None:
    spoil(clone)
    clone.commit(push_to="proposal")
    problems = clone.problems()
    assert message in "\n".join(problems), problems
    assert all(line.isprintable() for line in problems)


@pytest.mark.parametrize("same_day", [True, False])
def test_a_record_that_was_merged_meanwhile_is_not_merged_again(
    clone: Clone, same_day: bool
) -> None:
    start = clone.git("rev-parse", "HEAD")
    clone.write(path_of(NEW), record_text(NEW))
    clone.commit(push_to="main")
    clone.git("reset", "--quiet", "--hard", start)
    again = clean(NEW, created_at="2026-01-02T09:00:00Z" if same_day else "2026-01-09T09:00:00Z")
    path = path_of(NEW) if same_day else path_of(NEW).replace("2026-01-02", "2026-01-09")
    clone.write(path, record_text(again))
    clone.commit(push_to="proposal")
    message = "already exists, but only new records may be added" if same_day else "a duplicate of"
    assert message in "\n".join(clone.problems())


def test_a_spec_that_changed_on_both_sides_is_to_be_rebased(clone: Clone) -> None:
    start = clone.git("rev-parse", "HEAD")
    for branch, title in (("main", "one"), ("proposal", "two")):
        clone.git("reset", "--quiet", "--hard", start)
        clone.write("specs/new.yaml", spec_text(make_spec(name="new", title=title)))
        clone.commit(push_to=branch)
    assert clone.problems() == ["specs/new.yaml: changed on the base as well; rebase"]


def test_code_with_specs_is_left_to_the_checks_of_code(clone: Clone) -> None:
    clone.write("conebench/code.py", "x = 3\n")
    clone.write("specs/odd.yaml", "a field of tomorrow: 1\n")
    clone.commit(push_to="proposal")
    proposal = read_proposal(GitTrees(clone.folder), "origin/main", "HEAD")
    assert (proposal.lane, problems_of(proposal)) == ("code", [])


def test_a_folder_without_git_is_told_in_plain_words(tmp_path: Path) -> None:
    message = f"^{tmp_path}: is not in a git repository; choose a clone with --repository$"
    with pytest.raises(InputError, match=message):
        read_proposal(GitTrees(tmp_path), "HEAD", "HEAD")


@pytest.mark.parametrize("revision", ["absent", "--help", "HEAD:specs"])
def test_a_revision_that_is_none_is_bad_input(clone: Clone, revision: str) -> None:
    with pytest.raises(InputError, match="git rev-parse: "):
        read_proposal(GitTrees(clone.folder), "HEAD", revision)
