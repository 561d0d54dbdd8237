"""Runs as processes of their own: killed, interrupted, two at once, on a full disk."""

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from bad_disks import mounted, remount
from tiny_processes import SERVER, SPEC, finish, record_of, start, stderr
from tiny_runs import RecordingProgress, content, run, tiny_spec


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What an uninterrupted run's record says."""
    folder = tmp_path_factory.mktemp("straight")
    assert finish(start(folder)) == 0
    return record_of(folder)


def test_of_two_processes_in_one_folder_one_waits(
    tmp_path: Path, straight: dict[str, object]
) -> None:
    names = ("one", "two")
    assert [finish(process) for process in [start(tmp_path, name) for name in names]] == [0, 0]
    lines = [line for name in names for line in stderr(tmp_path, name) if ": seed 0: " in line]
    computed = [line for line in lines if not line.endswith(", done before")]
    stages = [line.partition(": seed 0: ")[2] for line in computed]
    assert sorted(set(stages)) == sorted(stages)
    assert record_of(tmp_path) == straight


def left_over(folder: Path) -> list[Path]:
    """Files that a finished run's folder must not hold."""
    unfinished = (path for path in folder.rglob("unfinished/*"))
    return [*folder.rglob("*.tmp"), *folder.rglob("*.damaged"), *unfinished]


class ReportingProgress(RecordingProgress):
    """Tells another process whenever the run has moved."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self._pipe = pipe

    def advance(self, work: float) -> None:
        super().advance(work)
        self._pipe.send(None)


def run_reporting(folder: Path, pipe: Connection) -> None:
    run(tiny_spec(seeds=[0]), folder, ReportingProgress(pipe), save_every=0)
    pipe.close()


def run_killed(folder: Path, moves: int) -> bool:
    """Run until it has moved so often, then kill it; whether it had ended before."""
    ours, theirs = SERVER.Pipe(duplex=False)
    process = SERVER.Process(target=run_reporting, args=(folder, theirs))
    process.start()
    theirs.close()
    try:
        for _ in range(moves):
            ours.recv()
    except EOFError:
        process.join()
        assert process.exitcode == 0
        return True
    process.kill()
    process.join()
    return False


def test_killed_again_and_again_a_run_ends_in_the_record_of_a_straight_one(tmp_path: Path) -> None:
    spec, draws = tiny_spec(seeds=[0]), random.Random(0)  # noqa: S311
    straight = run(spec, tmp_path / "straight")
    kills = 0
    while not run_killed(tmp_path / "killed", draws.randint(1, 20)):
        kills += 1
    assert kills >= 3
    progress = RecordingProgress()
    assert content(run(spec, tmp_path / "killed", progress)) == content(straight)
    assert all(cached for _, cached in progress.stages)
    assert left_over(tmp_path / "killed") == []


def test_after_two_interrupts_a_run_ends_at_once_and_is_taken_up(
    tmp_path: Path, straight: dict[str, object]
) -> None:
    (tmp_path / "tiny.yaml").write_text(SPEC)
    process = subprocess.Popen(
        [sys.executable, "-m", "conebench", "run", "tiny.yaml", "--save-every", "0"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any("kernels" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not (tmp_path / "runs/tiny/record.json").exists()
    assert finish(start(tmp_path)) == 0
    assert any(line.endswith("ordinary training, done before") for line in stderr(tmp_path))
    assert record_of(tmp_path) == straight
    assert left_over(tmp_path) == []


def test_a_file_that_cannot_be_written_ends_the_run_and_is_written_later(
    tmp_path: Path, straight: dict[str, object]
) -> None:
    limit, kinds = 4_000, []
    while (code := finish(start(tmp_path, limit=limit))) == 3:
        (line,) = [line for line in stderr(tmp_path) if "ile too large" in line]
        kinds.append(Path(line.partition(": ")[0]).parts[2])
        limit = limit * 3 // 2
    assert code == 0
    assert (kinds[0], kinds[-1]) == ("manifest.json", "kernels")
    assert record_of(tmp_path) == straight
    assert left_over(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "runs", "16k") as folder:
        yield folder


def test_a_disk_that_is_full_again_and_again_loses_nothing(
    tmp_path: Path, small_disk: Path, straight: dict[str, object]
) -> None:
    size, lines = 16, []
    while (code := finish(start(tmp_path))) == 3:
        lines.append(stderr(tmp_path)[-1])
        size *= 2
        remount(small_disk, f"size={size}k")
    assert code == 0
    assert len(lines) >= 4
    assert all("No space left on device" in line for line in lines), lines
    assert record_of(tmp_path) == straight
    assert left_over(tmp_path) == []
    remount(small_disk, "ro")
    assert finish(start(tmp_path)) == 3
    assert stderr(tmp_path)[-1] == "runs/tiny/locks/folder.lock: Read-only file system"
    assert record_of(tmp_path) == straight
