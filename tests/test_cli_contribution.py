"""conebench submit and conebench review, from a run to the checks of its pull request."""

import json
from pathlib import Path

import pytest
from command_line import Call, caller
from scratch_clone import NEW, OLD, Clone, clean, cloned, make_remote, path_of

from conebench.record import Record, record_text


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
    assert out.startswith("Sound: files of specs 0, records 1\n**digits, ")
    assert summary.read_text().startswith("## Sound: files of specs 0, records 1\n\n**digits, ")
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
    text = (clone.folder / path_of(OLD)).read_text(encoding="utf-8")
    clone.write(path_of(OLD), text.replace('"wall_seconds": 12.5', '"wall_seconds": 1.5'))
    clone.commit(push_to="proposal")
    summary = tmp_path / "summary.md"
    code, out, err = call("review", "origin/main", "HEAD", "--summary", str(summary))
    assert (code, out) == (1, "Problems: 1\n")
    assert err == f"{path_of(OLD)}: changed, allowed are new records only\n"
    assert summary.read_text() == f"## Problems: 1\n\n- `{err.strip()}`\n"
