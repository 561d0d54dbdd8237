"""Commands that write, on a disk that is full or read-only: one line, exit 3, no half file."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_disks import REASONS, break_disk, mounted
from command_line import Call, caller
from scratch_clone import NEW, cloned, make_remote, path_of
from synthetic import make_record

from conebench.record import record_text


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "2m") as folder:
        yield folder


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and path.name != "filler"}


def check_refused(call: Call, disk: Path, how: str, *command: str) -> str:
    """Run a command that has nowhere to write; its line on stderr."""
    before = {path: path.read_bytes() for path in files(disk)}
    break_disk(disk, how)
    code, out, err = call(*command)
    assert (code, out) == (3, "")
    (line,) = err.splitlines()
    assert line.endswith(REASONS[how])
    assert {path: path.read_bytes() for path in files(disk)} == before
    return line


@pytest.mark.parametrize("how", REASONS)
def test_a_new_spec(call: Call, disk: Path, how: str) -> None:
    line = check_refused(call, disk, how, "new", "mine", "--folder", str(disk))
    assert line == f"{disk}/mine.yaml: {REASONS[how]}"


@pytest.mark.parametrize("how", REASONS)
def test_a_board_keeps_the_one_before(call: Call, tmp_path: Path, disk: Path, how: str) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records/record.json").write_text(record_text(make_record()))
    (disk / "site").mkdir()
    (disk / "site/.conebench-site").touch()
    (disk / "site/index.html").write_text("the one before")
    check_refused(
        call, disk, how, "leaderboard", "build", "--records", "records", "--out", f"{disk}/site"
    )
    assert [path.name for path in disk.iterdir() if path.name != "filler"] == ["site"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return cloned(make_remote(tmp_path / "remote"), tmp_path).folder


@pytest.mark.parametrize("how", REASONS)
def test_a_submitted_record(
    tmp_path: Path,
    disk: Path,
    clone: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    how: str,
) -> None:
    (tmp_path / "record.json").write_text(record_text(NEW))
    shutil.move(clone / "leaderboard", disk / "leaderboard")
    (clone / "leaderboard").symlink_to(disk / "leaderboard")
    monkeypatch.chdir(clone)
    call = caller(monkeypatch, capsys)
    before = files(disk)
    break_disk(disk, how)
    code, _, err = call("submit", str(tmp_path / "record.json"))
    assert (code, err) == (3, f"{path_of(NEW)}: {REASONS[how]}\n")
    assert files(disk) == before


def test_a_summary_of_a_review(
    disk: Path,
    clone: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(clone)
    call = caller(monkeypatch, capsys)
    break_disk(disk, "read-only")
    code, _, err = call("review", "HEAD", "HEAD", "--summary", str(disk / "summary.md"))
    assert (code, err) == (3, f"{disk}/summary.md: Read-only file system\n")
