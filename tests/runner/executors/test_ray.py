"""Runs on a real Ray cluster of two nodes: equal records, killed workers, failures, Ctrl-C."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tiny_processes import SPEC, finish, record_of, start
from tiny_runs import RecordingProgress, content, folder_spec, run, tiny_spec

import conebench
from conebench.errors import ConebenchError, DeviceMissingError, RunError, UnmetNeedError
from conebench.record import Record
from conebench.runner import RunOptions
from conebench.runner.executors.ray_connection import check_node, facts_of
from conebench.runner.executors.ray_driver import RETRIES, run_on_ray
from conebench.runner.executors.ray_worker import check_device
from conebench.spec import Spec

if importlib.util.find_spec("ray") is None and os.environ.get("CI") != "true":
    pytest.skip("Ray is not installed", allow_module_level=True)

# Before Ray is imported: it reports to nobody, and listens on the loopback address alone.
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

Outcome = Record | ConebenchError


# Nodes and drivers in other folders run the code under test.
ENV = {**os.environ, "PYTHONPATH": str(Path.cwd())}
# In a process of its own: Ray leaves files and children of a cluster open until the end.
CLUSTER = """
import sys
from ray.cluster_utils import Cluster

node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 80_000_000}
head = {**node, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=head)
cluster.add_node(**node)
print("address", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two nodes with one CPU each."""
    # Short: Ray keeps sockets in it. Not by `temp_dir`: a cluster's address is written into Ray's
    # own folder in any case, which fails where nobody has made that before.
    folder = tempfile.mkdtemp(prefix="ray")
    command, pipe = [sys.executable, "-c", CLUSTER], subprocess.PIPE
    env = {**ENV, "RAY_TMPDIR": folder}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env) as process:
        assert process.stdout is not None
        words = (line.split() for line in process.stdout)
        yield next(found[1] for found in words if found[:1] == ["address"])
    shutil.rmtree(folder)


def run_together(
    address: str,
    specs: list[Spec],
    folder: Path,
    progress_of: Callable[[str], RecordingProgress] = lambda _: RecordingProgress(),
) -> list[Outcome]:
    """What became of each spec."""
    options = RunOptions(folder / "data", folder / "runs", torch.device("cpu"), save_every=0)
    found = dict(run_on_ray(specs, options, progress_of, address))
    outcomes = [found[index] for index in range(len(specs))]
    return [found if isinstance(found, ConebenchError) else found[0] for found in outcomes]


def pids_of(name: str) -> list[int]:
    """Workers at a task of the spec of this name: Ray puts it into their title."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            title = path.read_bytes()
        except OSError:
            continue
        if title.startswith(f"ray::{name}: ".encode()):
            found.append(int(path.parent.name))
    return found


class Killing(RecordingProgress):
    """Kills the worker of a spec once, the third time that its ordinary training moves."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._moves, self.killed = name, 0, list[int]()

    def advance(self, work: float) -> None:
        super().advance(work)
        self._moves += self.stages[-1][0] == "seed 0: ordinary training"
        if self._moves == 3 and not self.killed:
            self.killed = pids_of(self._name)
            for pid in self.killed:
                os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="workers are found in /proc")
def test_records_are_those_of_one_process_though_a_worker_is_killed_and_a_spec_fails(
    address: str, tmp_path: Path
) -> None:
    chosen = tiny_spec(
        name="chosen",
        seeds=[0],
        dataset={"name": "digits", "train_size": 200, "test_size": 50, "validation_size": 20},
        linearization={"learning_rate": [0.02, 0.05]},
        kernel={"samples": 10, "calibration_samples": 40, "checkpoints": {"every": 4}},
    )
    killed = tiny_spec(
        name="killed",
        seeds=[0],
        training={**TRAINING, "steps": 60},
        switching={"steps": [40]},
        kernel={"samples": 10, "calibration_samples": 40, "checkpoints": {"every": 20}},
    )
    zero = folder_spec(tmp_path, "ab", images=10).model_copy(update={"name": "zero"})
    progress = {name: RecordingProgress() for name in ("chosen", "zero")}
    progress["killed"] = killing = Killing("killed")
    specs = [chosen, zero, killed]
    outcomes = run_together(address, specs, tmp_path, progress.__getitem__)
    for spec, outcome in zip(specs, outcomes, strict=True):
        if spec is zero:
            assert isinstance(outcome, RunError)
            assert "the centered kernel is zero" in str(outcome)
            continue
        assert isinstance(outcome, Record)
        alone = RecordingProgress()
        assert content(outcome) == content(run(spec, tmp_path / "local", alone))
        assert progress[spec.name].done == pytest.approx(alone.done)
    assert len(killing.killed) >= 1
    training = "seed 0: ordinary training"
    assert killing.stages.count((training, False)) == 3
    assert killing.notes[training].startswith("resumed at step ")


TRAINING = {
    "batch_size": 20,
    "optimizer": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-3},
}


def kill_always(name: str, over: threading.Event) -> None:
    while not over.wait(0.02):
        for pid in pids_of(name):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="workers are found in /proc")
def test_a_task_whose_workers_always_die_fails_and_other_specs_go_on(
    address: str, tmp_path: Path
) -> None:
    over, progress = threading.Event(), RecordingProgress()
    killer = threading.Thread(target=kill_always, args=("doomed", over))
    killer.start()
    try:
        doomed, other = run_together(
            address,
            [tiny_spec(name="doomed", seeds=[0]), tiny_spec(name="other", seeds=[0])],
            tmp_path,
            lambda name: progress if name == "doomed" else RecordingProgress(),
        )
    finally:
        over.set()
        killer.join()
    assert isinstance(doomed, RunError)
    (line,) = str(doomed).splitlines()
    assert line.startswith(f"seed 0: ordinary training: its worker died {RETRIES + 1} times: ")
    assert len(progress.stages) == RETRIES
    assert isinstance(other, Record)


def test_a_stage_that_fits_on_no_node_is_refused(address: str, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        (outcome,) = run_together(address, [tiny_spec(seeds=[0])], tmp_path)
    finally:
        torch.set_num_threads(before)
    assert isinstance(outcome, UnmetNeedError)
    assert "a stage needs 2 CPUs, " in str(outcome)
    assert "the nodes have 1 CPUs, 0 GPUs, " in str(outcome)


def test_after_an_interrupt_no_worker_is_left_and_one_process_goes_on(
    address: str, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(SPEC)
    command = [sys.executable, "-m", "conebench", "run", "tiny.yaml", "--json", "--save-every=0"]
    with subprocess.Popen(
        [*command, "--executor=ray", f"--address={address}"],
        cwd=tmp_path,
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "ordinary training" in line:
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, lines
    assert err.splitlines()[-1] == "tiny: interrupted; run the same command to continue"
    assert [json.loads(line)["status"] for line in out.splitlines()] == ["interrupted"]
    assert pids_of("tiny") == []
    assert finish(start(tmp_path)) == 0
    straight = tmp_path / "straight"
    straight.mkdir()
    assert finish(start(straight)) == 0
    assert record_of(tmp_path) == record_of(straight)


OWN = {
    "node": "here",
    "versions": {"conebench": "1.0", "torch": "2.13.0"},
    "token": "/shared/runs/.ray-1",
    "sees_token": True,
}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"node": "b7", "versions": {"conebench": "1.1", "torch": "2.13.0"}},
            "--executor ray: node b7 has conebench 1.1, torch 2.13.0, this machine conebench 1.0, "
            "torch 2.13.0; expected one version on all nodes",
        ),
        (
            {"node": "b7", "sees_token": False},
            "--run-dir: node b7 does not see /shared/runs; expected a folder on a file system "
            "that all nodes share",
        ),
    ],
)
def test_a_node_must_have_the_same_versions_and_files(
    changes: dict[str, object], problem: str
) -> None:
    check_node({**OWN, "node": "other"}, OWN)
    with pytest.raises(UnmetNeedError) as caught:
        check_node({**OWN, **changes}, OWN)
    assert str(caught.value) == problem


def test_a_node_with_other_code_has_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = facts_of(str(tmp_path / "token"))
    version = facts()["versions"]["conebench"]
    assert version.startswith(f"{conebench.__version__} (code ")
    shutil.copytree(Path(conebench.__file__).parent, tmp_path / "conebench")
    monkeypatch.setattr(conebench, "__file__", str(tmp_path / "conebench/__init__.py"))
    assert facts()["versions"]["conebench"] == version
    with (tmp_path / "conebench/training/loop.py").open("a") as file:
        file.write("# changed")
    assert facts()["versions"]["conebench"] != version


def test_a_node_must_compute_on_the_device_that_the_record_names() -> None:
    check_device("NVIDIA H200", "NVIDIA H200")
    with pytest.raises(
        DeviceMissingError, match=" computes on NVIDIA A100, this machine on NVIDIA"
    ):
        check_device("NVIDIA H200", "NVIDIA A100")


Call = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ["--address", "auto"],
            "--address: got 'auto', which needs --executor ray",
        ),
        (
            ["--executor", "ray", "--address", "ray://head:10001"],
            "--address: got 'ray://head:10001', expected HOST:PORT or auto",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(call: Call, options: list[str], line: str) -> None:
    Path("tiny.yaml").write_text(SPEC)
    assert call("run", "tiny.yaml", *options) == (1, "", f"{line}\n")


def test_a_cluster_that_cannot_be_reached_is_one_line(call: Call) -> None:
    Path("tiny.yaml").write_text(SPEC)
    code, _, err = call("run", "tiny.yaml", "--executor", "ray", "--address", "127.0.0.1:9")
    assert (code, err) == (3, "--address: 127.0.0.1:9 cannot be reached: Connection refused\n")


def test_without_ray_one_line_says_what_to_install(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("tiny.yaml").write_text(SPEC)
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, err = call("run", "tiny.yaml", "--executor", "ray")
    line = '--executor ray: Ray is not installed; pip install "conebench[ray]"\n'
    assert (code, err) == (3, line)


def test_a_cluster_of_its_own_leaves_no_token_behind(tmp_path: Path) -> None:
    script = (
        "from conebench.runner.executors.ray_connection import connected\n"
        "with connected(None) as ray:\n"
        "    print(ray.get(ray.remote(lambda: 'computed').remote()))\n"
    )
    named = {name: text for name, text in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=named | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "computed" in done.stdout
    assert not (tmp_path / ".ray/auth_token").exists()
