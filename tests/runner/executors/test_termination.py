"""SIGTERM to a real process: it ends with its state stored, and continues to the same bits."""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_processes import SERVER, SPEC, finish, record_of, run_command, start, stderr

from conebench.storage.store import Store

STORED = "tiny: stored; the same command continues"


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The record of a run without a stop."""
    folder = tmp_path_factory.mktemp("straight")
    assert finish(start(folder)) == 0
    return record_of(folder)


def at_call(count: int, function: Callable[..., object]) -> Callable[..., object]:
    """The function, in which the process sends itself SIGTERM at one of its calls."""
    calls = iter(range(1, 1_000_000))

    def called(*args: object, **kwargs: object) -> object:
        if next(calls) == count:
            os.kill(os.getpid(), signal.SIGTERM)
        return function(*args, **kwargs)

    return called


def run_terminated(folder: Path, module: str, function: str, count: int) -> None:
    """`conebench run`, with SIGTERM at a call of a function."""
    found = importlib.import_module(module)
    setattr(found, function, at_call(count, getattr(found, function)))
    # Saves are a minute apart: what is stored, SIGTERM has stored.
    run_command(folder, "terminated", None, save_every="60")


def stored_steps(folder: Path, kind: str) -> list[tuple[str, int]]:
    """Stages with files in a folder of the run, and their steps."""
    found = sorted((folder / "runs/tiny" / kind).glob("*/*.safetensors"))
    return [(path.parent.name.rpartition("-")[0], int(path.stem)) for path in found]


UPDATE = ("conebench.training.loop", "_update")
KERNEL = ("conebench.runner.stages.kernels", "empirical_ntk")


@pytest.mark.parametrize(
    ("at", "count", "kind", "stored", "resumed"),
    [
        # The 11th step is between two checkpoints.
        (UPDATE, 11, "unfinished", ("train-seed0", 11), "ordinary training, resumed at step 11"),
        (UPDATE, 12, "unfinished", ("train-seed0", 12), "ordinary training, resumed at step 12"),
        # Ordinary training has 32 steps.
        (UPDATE, 37, "unfinished", ("linear-seed0-from0", 5), "lazy, resumed at step 5"),
        (KERNEL, 3, "kernels", ("kernel-seed0", 8), "kernels, resumed at step 8"),
    ],
)
def test_a_terminated_run_stores_where_it_is_and_continues_to_the_same_bits(
    tmp_path: Path,
    straight: dict[str, object],
    at: tuple[str, str],
    count: int,
    kind: str,
    stored: tuple[str, int],
    resumed: str,
) -> None:
    (tmp_path / "tiny.yaml").write_text(SPEC)
    process = SERVER.Process(target=run_terminated, args=(tmp_path, *at, count))
    process.start()
    assert finish(process) == 143
    assert stderr(tmp_path, "terminated")[-1] == STORED
    assert stored_steps(tmp_path, kind)[-1] == stored
    assert not (tmp_path / "runs/tiny/record.json").exists()
    assert finish(start(tmp_path)) == 0
    assert any(line.endswith(f"seed 0: {resumed}") for line in stderr(tmp_path)), stderr(tmp_path)
    assert record_of(tmp_path) == straight


def command(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`conebench run` of the spec in this folder, as a user starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "conebench", "run", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )


def test_a_process_that_waits_for_another_ends_at_once(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SPEC)
    with Store(tmp_path / "runs/tiny").locked("seed0"), command(tmp_path, "tiny.yaml") as process:
        assert process.stderr is not None
        assert any("waiting for it" in line for line in process.stderr)
        process.terminate()
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err.splitlines()[-1]) == (143, "", STORED)


def test_a_run_that_is_ended_while_it_starts_says_so_and_leaves_no_note(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SPEC)
    store = Store(tmp_path / "runs/tiny")
    with command(tmp_path, "tiny.yaml") as process:
        while store.start() is None:
            assert process.poll() is None
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (143, "", f"{STORED}\n")
    assert store.start() is None


def test_specs_after_a_terminated_one_do_not_begin(tmp_path: Path) -> None:
    for name in ("tiny", "later"):
        (tmp_path / f"{name}.yaml").write_text(SPEC.replace("name: tiny", f"name: {name}"))
    with command(tmp_path, "tiny.yaml", "later.yaml", "--json") as process:
        assert process.stderr is not None
        assert any("kernels" in line for line in process.stderr)
        process.terminate()
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err.splitlines()[-1]) == (143, STORED)
    assert json.loads(out) == {"spec": "tiny", "status": "interrupted", "error": STORED[6:]}
    assert not (tmp_path / "runs/later").exists()


def test_workers_of_several_jobs_are_ended_too(tmp_path: Path, straight: dict[str, object]) -> None:
    (tmp_path / "tiny.yaml").write_text(SPEC)
    with command(tmp_path, "tiny.yaml", "--jobs", "2") as process:
        assert process.stderr is not None
        assert any("kernels" in line for line in process.stderr)
        process.terminate()
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err.splitlines()[-1]) == (143, STORED)
    assert finish(start(tmp_path)) == 0
    assert any(line.endswith("ordinary training, done before") for line in stderr(tmp_path))
    assert record_of(tmp_path) == straight
