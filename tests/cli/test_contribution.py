"""conebench submit and conebench review, from a run to the checks of its pull request."""

import json
import os
import shutil
from pathlib import Path

import pytest
from command_line import Call, caller
from scratch_clone import GIT, NEW, OLD, Clone, clean, cloned, make_remote, path_of
from synthetic import make_replication, save_replication

from conebench.record import Record, record_text
from conebench.record.replication import replication_path, replication_text


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_remote(tmp_path_factory.mktemp("remote"))


@pytest.fixture
def clone(remote: Path, tmp_path: Path) -> Clone:
    return cloned(remote, tmp_path)


@pytest.fixture
def call(clone: Clone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs `conebench ...` in the clone; returns exit code, stdout, stderr."""
    monkeypatch.chdir(clone.folder)
    return caller(monkeypatch, capsys)


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
    verdict = "Sound. Spec files: 0, records: 1, replications: 0"
    assert out.startswith(f"{verdict}\n**digits, ")
    assert summary.read_text().startswith(f"## {verdict}\n\n**digits, ")
    assert (site / "index.html").is_file()
    code, _, err = call("submit", run)
    assert code == 1
    assert "already exists" in err


def test_the_path_of_a_replication(clone: Clone, call: Call, tmp_path: Path) -> None:
    found = make_replication(OLD)
    elsewhere = tmp_path / "record.json"
    elsewhere.write_text(record_text(OLD), encoding="utf-8")
    file = save_replication(elsewhere, found)
    place = replication_path(Path(path_of(OLD)), "anna")
    code, out, err = call("submit", str(file))
    assert (code, err) == (0, "")
    assert f"wrote {place}\n" in out
    assert f'git commit -m "Replication of synthetic ({OLD.id}) by anna"' in out
    assert (clone.folder / place).read_text(encoding="utf-8") == replication_text(found)
    code, out, err = call("submit", str(place))
    assert (code, err, out.splitlines()[0]) == (0, "", f"already in place: {place}")
    code, _, err = call("submit", str(file))
    assert (code, err) == (1, f"{place} already exists; nothing is overwritten\n")
    clone.commit(push_to="proposal")
    review = ("review", "origin/main", "HEAD", "--author")
    code, out, err = call(*review, "Anna", "--site", str(tmp_path / "site"))
    assert (code, err) == (0, "")
    assert out == "Sound. Spec files: 0, records: 0, replications: 1\n"
    (row,) = json.loads((tmp_path / "site/table.json").read_text())
    assert (row["trust"], row["replicated_by"]) == ("replicated", "anna")
    code, out, err = call(*review, "ben")
    assert (code, out) == (1, "Problems: 1\n")
    assert err == f"{place}: by: got 'anna', expected the author's name 'ben'\n"


def test_a_refused_submission_writes_nothing(clone: Clone, call: Call, tmp_path: Path) -> None:
    record = clean(NEW, git_dirty=True, created_at="../../../x")
    code, out, err = call("submit", run_folder(tmp_path, record))
    assert (code, out) == (1, "")
    assert "created_at: got '../../../x', expected a date and time" in err
    assert clone.git("status", "--porcelain") == ""


def test_a_refused_review_says_why(clone: Clone, call: Call, tmp_path: Path) -> None:
    text = (clone.folder / path_of(OLD)).read_text(encoding="utf-8")
    clone.write(path_of(OLD), text.replace('"wall_seconds": 12.5', '"wall_seconds": 1.5'))
    clone.commit(push_to="proposal")
    summary = tmp_path / "summary.md"
    code, out, err = call("review", "origin/main", "HEAD", "--summary", str(summary))
    assert (code, out) == (1, "Problems: 1\n")
    assert err == f"{path_of(OLD)}: is changed, but only new records may be added\n"
    assert summary.read_text() == f"## Problems: 1\n\n- `{err.strip()}`\n"


GH = """#!/bin/sh
# As gh on a terminal: push the branch, and note title, text and branch.
[ "$1" = auth ] && exit "${GH_LOGGED_OUT:-0}"
[ -n "$GH_FAILS" ] && { echo "gh: no" >&2; exit 4; }
git push --quiet origin HEAD:proposal
git branch --show-current > "$GH_NOTES/branch"
printf '%s\\n' "$1 $2" "$4" > "$GH_NOTES/call"
cp "$6" "$GH_NOTES/text"
"""


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a stand-in for gh notes how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gh").write_text(GH, encoding="utf-8")
    (folder / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GH_NOTES", str(folder))
    for name, value in GIT.items():
        monkeypatch.setenv(name, value)
    return folder


def test_gh_opens_a_pull_request_that_the_checks_accept(
    clone: Clone, call: Call, tmp_path: Path, notes: Path
) -> None:
    clone.write("mine.txt", "not to be proposed")
    clone.git("add", "mine.txt")
    before = clone.git("status", "--porcelain"), clone.git("branch", "--show-current")
    code, out, err = call("submit", run_folder(tmp_path, NEW), "--open-pr")
    assert (code, err) == (0, "")
    assert "wrote" not in out
    assert (notes / "branch").read_text() == f"record-synthetic-{NEW.id}\n"
    title = f"Record of synthetic ({NEW.id})"
    assert (notes / "call").read_text() == f"pr create\n{title}\n"
    text = (notes / "text").read_text(encoding="utf-8")
    assert text.startswith(f"{title}\n\n**digits, ")
    assert "\n| rank | before | CES | spec | record |  |\n| --- |" in text
    assert f"| synthetic | {NEW.id} | new |" in text
    assert clone.problems() == []
    changed = clone.git("diff", "--name-only", "origin/main", "origin/proposal")
    assert changed == path_of(NEW)
    # The checkout is as it was, and no other is left.
    assert (clone.git("status", "--porcelain"), clone.git("branch", "--show-current")) == before
    assert len(clone.git("worktree", "list").splitlines()) == 1


def test_a_replication_is_proposed_by_gh_too(
    clone: Clone, call: Call, tmp_path: Path, notes: Path
) -> None:
    elsewhere = tmp_path / "record.json"
    elsewhere.write_text(record_text(OLD), encoding="utf-8")
    file = save_replication(elsewhere, make_replication(OLD))
    assert call("submit", str(file), "--open-pr")[0] == 0
    text = f"Replication of synthetic ({OLD.id}) by anna\n"
    assert (notes / "text").read_text(encoding="utf-8") == text
    assert clone.problems() == []


def test_without_gh_the_steps_and_the_text_are_shown(
    clone: Clone, call: Call, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_folder(tmp_path, NEW)
    monkeypatch.setenv("GH_LOGGED_OUT", "1")
    code, out, err = call("submit", run, "--open-pr", "--dry-run")
    assert (code, err) == (0, "")
    assert "\ngh is not logged in: call gh auth login\nwould write" in out
    monkeypatch.setattr(shutil, "which", lambda _: None)
    code, out, err = call("submit", run, "--open-pr")
    assert (code, err) == (0, "")
    assert "\ngh is not installed (https://cli.github.com)\nwrote" in out
    _, steps, text = out.partition(f"git push -u origin record-synthetic-{NEW.id}\n")
    assert steps
    assert f"The text for it:\n\nRecord of synthetic ({NEW.id})\n\n**digits, " in text
    assert (clone.folder / path_of(NEW)).is_file()
    assert not (notes / "call").exists()


@pytest.mark.usefixtures("notes")
def test_a_pull_request_can_be_tried_and_tried_again(
    clone: Clone, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_folder(tmp_path, NEW)
    code, out, _ = call("submit", run, "--open-pr", "--dry-run")
    assert code == 0
    assert f"would open a pull request from branch record-synthetic-{NEW.id}:\n\nRecord of" in out
    assert clone.git("branch", "--list", "record-*") == ""
    monkeypatch.setenv("GH_FAILS", "1")
    code, _, err = call("submit", run, "--open-pr")
    line = f"gh pr create: exit code 4; the commit is on branch record-synthetic-{NEW.id}\n"
    assert (code, err) == (2, line)
    monkeypatch.delenv("GH_FAILS")
    assert call("submit", run, "--open-pr")[0] == 0
    assert clone.problems() == []
    clone.git("switch", "--quiet", f"record-synthetic-{NEW.id}")
    code, _, err = call("submit", run, "--open-pr")
    assert code == 1
    assert "already exists" in err


def test_git_must_know_who_proposes(
    call: Call, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_folder(tmp_path, NEW)
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    code, _, err = call("submit", run, "--open-pr")
    assert code == 3
    assert err.startswith("git does not know your name: call git config --global user.name")
    assert not (notes / "call").exists()
