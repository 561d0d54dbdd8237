"""conebench submit and conebench review, from a run to the checks of its pull request."""

import json
from pathlib import Path

import pytest
from command_line import Call, caller
from scratch_clone import NEW, OLD, Clone, clean, cloned, make_remote, path_of
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
