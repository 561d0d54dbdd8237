"""conebench.runner.executors.slurm: jobs through submitit, warned, killed and requeued."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import Call
from fake_slurm import FakeSlurm
from tiny_processes import SPEC, finish, record_of, start

from conebench.errors import InputError, UnmetNeedError
from conebench.runner.executors import slurm
from conebench.runner.executors.slurm import Job, parse_arguments, submit

if importlib.util.find_spec("submitit") is None and os.environ.get("CI") != "true":
    pytest.skip("submitit is not installed", allow_module_level=True)

TWO_SEEDS = SPEC.replace("seeds: [0]", "seeds: [0, 1]")
ENV = {**os.environ, "PYTHONPATH": str(Path.cwd())}


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The record of one process."""
    folder = tmp_path_factory.mktemp("straight")
    assert finish(start(folder, spec=TWO_SEEDS)) == 0
    return record_of(folder)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], {}),
        (["time=240", "partition=gpu"], {"timeout_min": 240, "slurm_partition": "gpu"}),
        (["mem_gb=2.5", "exclusive=true"], {"mem_gb": 2.5, "slurm_exclusive": True}),
        (["setup=module load a=b"], {"slurm_setup": ["module load a=b"]}),
    ],
)
def test_arguments_are_parameters_of_submitit(
    texts: list[str], expected: dict[str, object]
) -> None:
    assert parse_arguments(texts) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("partition", "got 'partition', expected NAME=VALUE"),
        ("partition=", "got 'partition=', expected NAME=VALUE"),
        ("-p=gpu", "got '-p=gpu', expected NAME=VALUE"),
        ("time=4:00:00", "got 'time=4:00:00', expected a number of minutes"),
        ("time=0", "got 'time=0', expected a number of minutes"),
        ("nodes=2", "got 'nodes=2'; a job is one process on one node"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_arguments([text])
    assert str(caught.value) == f"--slurm-args: {message}"


@pytest.mark.parametrize("text", ["partitoin=gpu", "mem_gb=much"])
def test_what_submitit_does_not_take_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError) as caught:
        submit([lambda: 0], tmp_path, "local", parse_arguments([text]))
    assert re.fullmatch(
        rf"--slurm-args: {text.partition('=')[0]}: [^\n]{{,120}}", str(caught.value)
    )


def test_no_slurm_and_no_submitit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnmetNeedError, match="srun"):
        submit([lambda: 0], tmp_path, "slurm", {})
    monkeypatch.setitem(sys.modules, "submitit", None)
    for cluster, option in (("slurm", "slurm"), ("local", "slurm-local")):
        message = f"^--executor {option}: submitit is not installed; pip install submitit$"
        with pytest.raises(UnmetNeedError, match=message):
            submit([lambda: 0], tmp_path, cluster, {})


# submitit leaves its log files open.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_job_ends_with_the_code_of_its_run(tmp_path: Path) -> None:
    good, bad = submit([lambda: 0, lambda: 2], tmp_path, "debug", {})
    assert good.result() is None
    with pytest.raises(SystemExit) as caught:
        bad.result()
    assert caught.value.code == 2


def test_a_requeued_job_does_the_same() -> None:
    job = Job(lambda: 0)
    assert job.checkpoint().function is job


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_jobs_in_this_process_make_the_record_of_one_run(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, straight: dict[str, object]
) -> None:
    def submit_here(runs, logs, _, arguments):  # type: ignore[no-untyped-def]
        jobs = submit(runs, logs, "debug", arguments)
        for job in jobs:
            job.result()
        return jobs

    monkeypatch.setattr(slurm, "submit", submit_here)
    (tmp_path / "tiny.yaml").write_text(TWO_SEEDS)
    code, out, err = call("run", "tiny.yaml", "--executor", "slurm-local")
    assert code == 0
    assert re.findall(r"^tiny seed (\d): job DEBUG_\d+$", out, re.MULTILINE) == ["0", "1"]
    follow = "follow: conebench status runs; output of the jobs: runs/.slurm"
    assert err.splitlines()[-1] == follow
    assert record_of(tmp_path) == straight


# submitit leaves its log files open.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_job_that_ends_before_its_first_stage_says_why(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submit_here(runs, logs, _, arguments):  # type: ignore[no-untyped-def]
        jobs = submit(runs, logs, "debug", arguments)
        for job in jobs:
            with pytest.raises(SystemExit):
                job.result()
        return jobs

    monkeypatch.setattr(slurm, "submit", submit_here)
    folder = "{name: imagefolder, folder: birds, image_size: 8}"
    text = SPEC.replace("{name: digits, train_size: 200, test_size: 50}", folder)
    (tmp_path / "tiny.yaml").write_text(text.replace("samples: 10,", "samples: 10, outputs: full,"))
    assert call("run", "tiny.yaml", "--executor", "slurm-local", "--data-root", "data")[0] == 0
    code, out, _ = call("status", "runs")
    reason = "runs/tiny: failed before its first stage: dataset folder data/birds/train is missing"
    assert (code, out.partition(";")[0]) == (0, reason)


def conebench(*arguments: str, cwd: Path, env: dict[str, str] = ENV) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "conebench", *arguments],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def signal_when_training(job: str, number: signal.Signals, folder: Path) -> None:
    """Send a signal to the process of a local job as soon as it trains."""
    log = folder / f"runs/.slurm/{job}_0_log.err"
    with subprocess.Popen(["tail", "-F", log], stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        assert any("ordinary training" in line for line in tail.stdout)
        tail.terminate()
    (pid,) = subprocess.check_output(["pgrep", "-P", job], text=True).split()
    os.kill(int(pid), number)


def test_local_jobs_are_requeued_after_a_warning_and_continue_after_a_kill(
    tmp_path: Path, straight: dict[str, object]
) -> None:
    (tmp_path / "tiny.yaml").write_text(TWO_SEEDS)
    command = ("run", "tiny.yaml", "--executor", "slurm-local")
    with conebench(*command, cwd=tmp_path) as process:
        assert process.stdout is not None
        jobs = [process.stdout.readline().split()[-1] for _ in range(2)]
        # Side by side, since each job must still train when its signal comes.
        numbers = (signal.SIGUSR2, signal.SIGKILL)
        with ThreadPoolExecutor() as pool:
            list(pool.map(signal_when_training, jobs, numbers, (tmp_path, tmp_path)))
        # The jobs hold the pipe open to their end.
        process.communicate(timeout=300)
    logs = [(tmp_path / f"runs/.slurm/{job}_0_log.err").read_text() for job in jobs]
    assert "tiny: stored; the same command continues\n" in logs[0]
    out = (tmp_path / f"runs/.slurm/{jobs[0]}_0_log.out").read_text()
    assert f"Requeued job {jobs[0]}" in out
    assert out.endswith("Exiting after successful completion\n")
    assert record_of(tmp_path)["status"] == "partial"
    with conebench(*command, "--seed", "1", cwd=tmp_path) as process:
        process.communicate(timeout=300)
    assert record_of(tmp_path) == straight


def test_an_array_of_slurm_jobs_is_submitted_warned_and_requeued(
    call: Call, tmp_path: Path, straight: dict[str, object]
) -> None:
    cluster = FakeSlurm(tmp_path / "cluster")
    (tmp_path / "tiny.yaml").write_text(TWO_SEEDS)
    arguments = ("--slurm-args", "time=240", "--slurm-args", "partition=gpu")
    command = ("run", "tiny.yaml", "--executor", "slurm", "--json", *arguments)
    with conebench(*command, cwd=tmp_path, env=cluster.env) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.splitlines() == [
        f'{{"spec": "tiny", "status": "submitted", "seed": {seed}, "job": "42_{seed}"}}'
        for seed in (0, 1)
    ]
    status = "runs/tiny: submitted, not started yet; output of the jobs: runs/.slurm\n"
    assert call("status", "runs") == (0, status, "")
    asked = re.findall("^#SBATCH --(.*)", cluster.script.read_text(), re.MULTILINE)
    expected = {"array=0-1%2", "time=240", "partition=gpu", "signal=USR2@90", "job-name=conebench"}
    assert expected <= set(asked)
    with cluster.start_task(cluster.script, 1, tmp_path) as task:
        assert task.stderr is not None
        assert any("kernels" in line for line in task.stderr)
        cluster.warn(1, signal.SIGUSR2)
        _, err = task.communicate(timeout=120)
        assert task.returncode != 0
    assert "tiny: stored; the same command continues" in err
    assert cluster.requeued == ["requeue 42_1"]
    tasks = [cluster.start_task(cluster.script, index, tmp_path) for index in (1, 0)]
    errors = [task.communicate(timeout=300)[1] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], errors
    assert "seed 1: ordinary training, done before" in errors[0]
    assert cluster.requeued == ["requeue 42_1"]
    assert record_of(tmp_path) == straight


def test_what_sbatch_refuses_is_told_in_one_line(tmp_path: Path) -> None:
    cluster = FakeSlurm(tmp_path / "cluster")
    sbatch = tmp_path / "cluster/bin/sbatch"
    sbatch.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition' >&2\nexit 1\n")
    (tmp_path / "tiny.yaml").write_text(TWO_SEEDS)
    with conebench(
        "run", "tiny.yaml", "--executor", "slurm", cwd=tmp_path, env=cluster.env
    ) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (3, "")
    assert err == "--executor slurm: sbatch: error: invalid partition\n"


def test_arguments_of_jobs_need_the_executor(call: Call, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TWO_SEEDS)
    code, out, err = call("run", "tiny.yaml", "--slurm-args", "time=3")
    assert (code, out) == (1, "")
    assert err == "--slurm-args: expected --executor slurm with it\n"
