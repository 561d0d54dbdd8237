"""conebench.contribution, submit and review: a clone, a bare remote, good and bad proposals."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import make_record, make_spec

from conebench.cli import main
from conebench.contribution import GitTrees, board_change, problems_of, read_proposal
from conebench.errors import InputError
from conebench.record import Record, record_text
from conebench.site.pages import spec_text

GIT = {
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}
SPEC = make_spec(seeds=[0, 1])


def clean(record: Record, **changes: object) -> Record:
    """The record as committed code would have made it."""
    made = record.provenance.model_copy(update={"git_dirty": False, **changes})
    return record.model_copy(update={"provenance": made})


OLD = clean(make_record(SPEC))
NEW = clean(make_record(SPEC, noise=0.2))


def path_of(record: Record) -> str:
    return f"leaderboard/records/{record.spec.name}/2026-01-02-{record.id}.json"


class Clone:
    """A clone of a bare repository, with the proposal on a branch of its own."""

    def __init__(self, folder: Path, remote: Path) -> None:
        self.folder = folder
        self.git("clone", "--quiet", str(remote), str(folder), cwd=remote)

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.folder,
            env=os.environ | GIT,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def commit(self, *, push_to: str) -> None:
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x")
        self.git("push", "--quiet", "origin", f"HEAD:{push_to}")

    def problems(self) -> list[str]:
        """Of the branch as the remote has it, against its main."""
        self.git("fetch", "--quiet", "origin")
        trees = GitTrees(self.folder)
        return problems_of(read_proposal(trees, "origin/main", "origin/proposal"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository with one spec and one record of it."""
    folder = tmp_path_factory.mktemp("remote")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder], check=True)
    clone = Clone(folder.parent / "first", folder)
    clone.write(f"specs/{SPEC.name}.yaml", spec_text(SPEC))
    clone.write(path_of(OLD), record_text(OLD))
    clone.write("conebench/code.py", "x = 1\n")
    clone.commit(push_to="main")
    return folder


@pytest.fixture
def clone(template: Path, tmp_path: Path) -> Clone:
    remote = tmp_path / "remote.git"
    shutil.copytree(template, remote)
    return Clone(tmp_path / "clone", remote)


def test_a_new_record_is_sound_and_the_board_says_what_changes(clone: Clone) -> None:
    clone.write(path_of(NEW), record_text(NEW))
    clone.commit(push_to="proposal")
    assert clone.problems() == []
    proposal = read_proposal(GitTrees(clone.folder), "origin/main", "origin/proposal")
    (change,) = board_change(proposal)
    assert change.label.startswith("digits, kernel full, 50 probe images")
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
    spec = make_spec(name="other", seeds=[0, 1])
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


def is_partial(clone: Clone) -> None:
    part = NEW.model_copy(update={"seeds": NEW.seeds[:1], "status": "partial"})
    clone.write(path_of(part), record_text(part))


def was_made_by_changed_code(clone: Clone) -> None:
    record = clean(NEW, git_dirty=True)
    clone.write(path_of(record), record_text(record))


def is_a_duplicate_of_another_date(clone: Clone) -> None:
    again = clean(OLD, created_at="2026-02-03T00:00:00Z")
    clone.write(path_of(again).replace("2026-01-02", "2026-02-03"), record_text(again))


def is_a_giant_file(clone: Clone) -> None:
    clone.write(path_of(NEW), record_text(NEW) + " " * 20_000_000)


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


BAD: list[tuple[Callable[[Clone], None], str]] = [
    (edits_anothers_record, f"{path_of(OLD)}: changed, allowed are new records only"),
    (removes_anothers_record, f"{path_of(OLD)}: removed, allowed are new records only"),
    (renames_anothers_record, f"{path_of(OLD)}: removed, allowed are new records only"),
    (adds_code, "conebench/code.py: changed together with records, allowed are specs and"),
    (adds_a_workflow, ".github/workflows/x.yml: changed together with records, allowed are"),
    (adds_a_script_beside_the_records, "leaderboard/records/synthetic/run.sh: allowed are specs/"),
    (adds_the_schema_of_specs, "specs/spec.schema.json: allowed are specs/<name>.yaml and"),
    (names_another_date, ": date: the file is named 2026-01-03, made 2026-01-02T"),
    (names_another_hash, f": id: the file is named 00000000, its content's is {NEW.id}"),
    (lies_in_another_folder, f": allowed is its canonical name {path_of(NEW)}"),
    (has_a_hand_edited_figure, ": figure summary.CES.value: came 99.0, its data give "),
    (is_edited_and_keeps_its_name, f": id: the file is named {NEW.id}, its content's is "),
    (has_another_spec_hash, ": spec hash: came 00000000, the spec's is "),
    (is_of_a_spec_that_is_not_here, ": spec: no spec in specs/ is named 'absent'"),
    (is_of_a_changed_spec, ": spec: not the spec 'synthetic' of specs/, hash "),
    (is_a_smoke_run, ": spec: no spec in specs/ is named 'synthetic.smoke'"),
    (is_partial, ": status: came partial, allowed are complete records"),
    (was_made_by_changed_code, ": provenance.git_dirty: allowed are records of committed code"),
    (is_a_duplicate_of_another_date, f": a duplicate, the same content is in {path_of(OLD)}"),
    (is_a_giant_file, f"{path_of(NEW)}: came 20,0"),
    (is_a_link, f"{path_of(NEW)}: came a symbolic link, allowed are regular files"),
    (is_a_program, f"{path_of(NEW)}: came a program, allowed are regular files"),
    (is_many_files, "came 51 changed files, allowed are at most 50"),
    (is_no_json, f"{path_of(NEW)}: not JSON: "),
    (says_the_same_in_other_words, f"{path_of(NEW)}: model.parameters: "),
    (changes_a_spec_that_has_a_record, f"{path_of(OLD)}: its spec 'synthetic' changed, allowed is"),
    (removes_a_spec_that_has_a_record, f"{path_of(OLD)}: its spec 'synthetic' changed, allowed is"),
    (adds_a_spec_that_is_not_valid, "specs/bad.yaml:4: seeds: "),
    (adds_a_second_spec_of_a_name, "name: came 'syn-a' twice, also in specs/syn"),
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
    message = "there already, allowed are new records only" if same_day else "a duplicate, the same"
    assert message in "\n".join(clone.problems())


def test_a_spec_that_changed_on_both_sides_is_to_be_rebased(clone: Clone) -> None:
    start = clone.git("rev-parse", "HEAD")
    for branch, title in (("main", "one"), ("proposal", "two")):
        clone.git("reset", "--quiet", "--hard", start)
        clone.write("specs/new.yaml", spec_text(make_spec(name="new", title=title)))
        clone.commit(push_to=branch)
    assert clone.problems() == [
        "specs/new.yaml: changed on the base too since this left it: rebase"
    ]


def test_code_with_specs_is_left_to_the_checks_of_code(clone: Clone) -> None:
    clone.write("conebench/code.py", "x = 3\n")
    clone.write("specs/odd.yaml", "a field of tomorrow: 1\n")
    clone.commit(push_to="proposal")
    proposal = read_proposal(GitTrees(clone.folder), "origin/main", "HEAD")
    assert (proposal.lane, problems_of(proposal)) == ("code", [])


@pytest.mark.parametrize("revision", ["absent", "--help", "HEAD:specs"])
def test_a_revision_that_is_none_is_bad_input(clone: Clone, revision: str) -> None:
    with pytest.raises(InputError, match="git rev-parse: "):
        read_proposal(GitTrees(clone.folder), "HEAD", revision)


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(clone: Clone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs `conebench ...` in the clone; returns exit code, stdout, stderr."""
    monkeypatch.chdir(clone.folder)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["conebench", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        printed = capsys.readouterr()
        return caught.value.code or 0, printed.out, printed.err

    return run


def run_folder(tmp_path: Path, record: Record) -> str:
    folder = tmp_path / "runs" / record.spec.name
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(record_text(record), encoding="utf-8")
    return str(folder)


def test_the_whole_path_from_a_run_to_the_checks(clone: Clone, call: Call, tmp_path: Path) -> None:
    run = run_folder(tmp_path, NEW)
    code, out, err = call("submit", run, "--dry-run")
    assert (code, err) == (0, "")
    assert not (clone.folder / path_of(NEW)).exists()
    code, out, err = call("submit", run)
    assert (code, err) == (0, "")
    assert f"wrote {path_of(NEW)}" in out
    assert f"git add {path_of(NEW)}" in out
    assert json.loads((clone.folder / path_of(NEW)).read_text()) == NEW.dump()
    clone.commit(push_to="proposal")
    summary, site = tmp_path / "summary.md", tmp_path / "site"
    options = ("--summary", str(summary), "--site", str(site))
    code, out, err = call("review", "origin/main", "HEAD", *options)
    assert (code, err) == (0, "")
    assert out.startswith("Sound: 1 new record\n**digits, ")
    assert summary.read_text().startswith("## Sound: 1 new record\n\n**digits, ")
    assert (site / "index.html").is_file()
    code, _, err = call("submit", run)
    assert code == 1
    assert "there already" in err


def test_a_refused_submission_writes_nothing(clone: Clone, call: Call, tmp_path: Path) -> None:
    record = clean(NEW, git_dirty=True, created_at="../../../x")
    code, out, err = call("submit", run_folder(tmp_path, record))
    assert (code, out) == (1, "")
    assert "allowed are specs/<name>.yaml and leaderboard/records/" in err
    assert clone.git("status", "--porcelain") == ""


def test_a_refused_review_says_why(clone: Clone, call: Call, tmp_path: Path) -> None:
    edits_anothers_record(clone)
    clone.commit(push_to="proposal")
    summary = tmp_path / "summary.md"
    code, out, err = call("review", "origin/main", "HEAD", "--summary", str(summary))
    assert (code, out) == (1, "1 problem\n")
    assert err == f"{path_of(OLD)}: changed, allowed are new records only\n"
    assert summary.read_text() == f"## 1 problem\n\n- `{err.strip()}`\n"
