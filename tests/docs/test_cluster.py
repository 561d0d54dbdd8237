"""docs/cluster.md: its array makes a record, its commands submit jobs and print what it shows."""

import importlib.util
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm
from fences import DOCS, blocks
from sessions import commands, conebench, fits
from tiny_processes import SPEC, record_of

from conebench.spec import load_specs

SHOWN = "specs/digits-window.yaml"
needs_submitit = pytest.mark.skipif(
    importlib.util.find_spec("submitit") is None and os.environ.get("CI") != "true",
    reason="submitit is not installed",
)


def script(start: str) -> str:
    """The block of shell that starts so, with a small spec instead of the shown one."""
    (found,) = [text for _, text in blocks("cluster.md", "sh") if text.startswith(start)]
    return found.replace(SHOWN, "tiny.yaml")


def test_the_array_makes_one_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    cluster, job = FakeSlurm(tmp_path / "cluster"), tmp_path / "job.sh"
    job.write_text(script("#!/bin/bash"))
    (tmp_path / "tiny.yaml").write_text(SPEC.replace("seeds: [0]", "seeds: [0, 1]"))
    tasks = [cluster.start_task(job, index, tmp_path) for index in range(2)]
    errors = [task.communicate(timeout=300)[1] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], errors
    assert record_of(tmp_path)["status"] == "complete"


def test_the_array_has_the_seeds_of_its_spec() -> None:
    (loaded,) = load_specs(DOCS.parent / SHOWN)
    first, last = re.findall(r"--array=(\d+)-(\d+)", script("#!/bin/bash"))[0]
    assert loaded.spec.seeds == tuple(range(int(first), int(last) + 1))


@needs_submitit
def test_the_submission_asks_for_what_is_shown(tmp_path: Path) -> None:
    cluster = FakeSlurm(tmp_path / "cluster")
    (tmp_path / "tiny.yaml").write_text(SPEC)
    env = {**cluster.env, "SCRATCH": str(tmp_path)}
    text = script("conebench run")
    out = subprocess.check_output(["bash", "-c", text], cwd=tmp_path, env=env, text=True)
    assert out == "tiny seed 0: job 42\n"
    asked = re.findall("^#SBATCH --(.*)", cluster.script.read_text(), re.MULTILINE)
    for parameter in re.findall(r"--slurm-args (\S+)", text):
        assert parameter.replace("_", "-") in asked


@needs_submitit
def test_every_command_prints_what_the_page_shows(tmp_path: Path) -> None:
    (block,) = [text for _, text in blocks("cluster.md", "console")]
    for command, shown in commands(block):
        printed = conebench(shlex.split(command.removeprefix("conebench ")), tmp_path)
        assert fits(shown, printed), f"{command}\n{printed}"
