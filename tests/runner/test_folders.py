"""Run directories that cannot be written, that moved, that are linked, whose clock went wrong."""

import os
import shutil
from pathlib import Path

import pytest
from bad_disks import REASONS, break_disk, mounted
from tiny_runs import RecordingProgress, content, run, tiny_spec

from conebench.errors import ExitCode, StorageError
from conebench.record import Record
from conebench.storage.status import find_runs, old_files, stage_statuses

SPEC = tiny_spec(seeds=[0])
BROKEN = {
    "locks": "full",
    "unfinished": "read-only",
    "checkpoints": "full",
    "stages": "read-only",
    "kernels": "full",
}


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return run(SPEC, tmp_path_factory.mktemp("straight"))


def test_no_kind_of_file_that_cannot_be_written_costs_more_than_its_stage(
    tmp_path: Path, straight: Record
) -> None:
    for kind, how in BROKEN.items():
        folder = tmp_path / "runs/tiny" / kind
        kept = sorted(folder.parent.rglob("*.*"))
        # An empty file, as a lock is, takes no room but a place among files.
        with mounted(folder, "4k,nr_inodes=1" if kind == "locks" else "4k"):
            break_disk(folder, how)
            with pytest.raises(StorageError, match=f"^{folder}.*{REASONS[how]}") as caught:
                run(SPEC, tmp_path, save_every=0)
        assert caught.value.exit_code is ExitCode.ENVIRONMENT
        assert all(path.exists() for path in kept if "unfinished" not in path.parts)
    assert content(run(SPEC, tmp_path)) == content(straight)
    assert not [*tmp_path.rglob("*.tmp"), *tmp_path.rglob("*.damaged")]


def set_clocks(folder: Path) -> None:
    """Half of the files come from the year 2100, half from 1970."""
    for index, path in enumerate(sorted(folder.rglob("*"))):
        os.utime(path, (4.1e9, 4.1e9) if index % 2 else (1, 1))


def test_a_run_is_taken_up_elsewhere_through_a_link_whatever_its_clock_said(
    tmp_path: Path, straight: Record
) -> None:
    before, after, linked = (tmp_path / name for name in ("before", "after", "linked"))
    with pytest.raises(KeyboardInterrupt):
        run(SPEC, before, RecordingProgress(stop_at="seed 0: kernels"), save_every=0)
    set_clocks(before / "runs")
    shutil.move(before, after)
    linked.mkdir()
    (linked / "runs").symlink_to(after / "runs", target_is_directory=True)
    progress = RecordingProgress()
    assert content(run(SPEC, linked, progress)) == content(straight)
    assert ("seed 0: ordinary training", True) in progress.stages
    assert progress.notes["seed 0: kernels"] == "resumed at step 2"
    # One spec's folder may be a link too.
    set_clocks(after / "runs")
    (tmp_path / "third/runs").mkdir(parents=True)
    (tmp_path / "third/runs/tiny").symlink_to(after / "runs/tiny", target_is_directory=True)
    progress = RecordingProgress()
    assert content(run(SPEC, tmp_path / "third", progress)) == content(straight)
    assert all(cached for _, cached in progress.stages)
    (store,) = find_runs(tmp_path / "third/runs")
    assert {status.state for status in stage_statuses(store)} == {"done"}
    assert old_files(store) == []
