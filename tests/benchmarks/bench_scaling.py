"""How a run scales: stages side by side, the cost of a stage beside its work, many specs in a row.

Each figure is printed by `make bench` beside what it is to be compared with, of the same minutes.
Wall time is what a user waits for; on a machine that is shared, the processor's is the steadier.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from conebench.manifest import read_manifest
from conebench.runner import RunOptions, SilentProgress, run_spec
from conebench.spec import Spec
from conebench.store import Store

MANY_ARMS = Spec.model_validate_json("""{
  "name": "arms", "title": "ResNet-8 on digits, many arms",
  "model": {"name": "cifar_resnet8", "kwargs": {"width": 8}},
  "dataset": {"name": "digits"},
  "training": {"steps": 200, "batch_size": 64,
               "optimizer": {"name": "sgd", "learning_rate": 0.02, "momentum": 0.9}},
  "switching": {"steps": [20, 40, 60, 80, 100, 120]},
  "kernel": {"samples": 20, "checkpoints": {"every": 20}},
  "seeds": [0]
}""").resolved()
TINY = """\
name: {name}
title: A tiny run
model: {{name: cifar_resnet8, kwargs: {{width: 2}}}}
dataset: {{name: digits, train_size: 100, test_size: 20}}
training:
  steps: 8
  batch_size: 10
  optimizer: {{name: sgd, learning_rate: 0.05}}
kernel: {{samples: 10, calibration_samples: 20, checkpoints: {{every: 1}}}}
seeds: [{seed}]
"""
SPECS = 200


def options(folder: Path, jobs: int = 1) -> RunOptions:
    return RunOptions(folder, folder, torch.device("cpu"), jobs=jobs)


def stages_of(folder: Path, spec: Spec) -> int:
    return len({p.stage.file_stem for p in read_manifest(Store(folder / spec.name)).stages})


@pytest.mark.parametrize("jobs", [1, 2])
def test_many_arms_side_by_side(benchmark, tmp_path_factory, jobs: int) -> None:
    """One thread a process in both cases: what two processes make of a second core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(jobs)  # a run shares them out among its processes
    try:
        benchmark.group = "jobs"
        benchmark.pedantic(
            lambda: run_spec(
                MANY_ARMS, options(tmp_path_factory.mktemp("run"), jobs), SilentProgress()
            ),
            rounds=1,
        )
    finally:
        torch.set_num_threads(threads)


def test_finished_stages_looked_up(benchmark, tmp_path: Path) -> None:
    """A run of which all is done, over its stages and beside a run of one of them."""
    seeds = tuple(range(20))
    spec = Spec.model_validate({**MANY_ARMS.dump(), "seeds": seeds}, strict=False)
    short = spec.training.model_copy(update={"steps": 20})
    kernel = spec.kernel.checkpoints.model_copy(update={"every": 2})
    spec = spec.model_copy(
        update={
            "training": short,
            "kernel": spec.kernel.model_copy(update={"checkpoints": kernel}),
            "switching": spec.switching.model_copy(update={"steps": (2, 4, 6, 8)}),
        }
    )
    one = spec.model_copy(update={"seeds": seeds[:1]})
    run_spec(spec, options(tmp_path / "all"), SilentProgress())
    run_spec(one, options(tmp_path / "one"), SilentProgress())
    benchmark.group = "finished stages"
    times = {
        name: best_of(3, lambda s=s, name=name: run_again(s, tmp_path / name))
        for name, s in (("all", spec), ("one", one))
    }
    more = stages_of(tmp_path / "all", spec) - stages_of(tmp_path / "one", one)
    wall, processor = ((times["all"][i] - times["one"][i]) / more for i in (0, 1))
    benchmark.extra_info |= {"stages more": more, "ms a stage": 1e3 * wall}
    benchmark.extra_info |= {"ms of processor a stage": 1e3 * processor}
    benchmark.pedantic(lambda: run_again(spec, tmp_path / "all"), rounds=1)


def run_again(spec: Spec, folder: Path) -> None:
    run_spec(spec, options(folder), SilentProgress())


def best_of(times: int, work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds, the least of each."""
    found = []
    for _ in range(times):
        began = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    return min(wall for wall, _ in found), min(processor for _, processor in found)


RUN = """
import resource, sys
from conebench.cli import main
sys.argv = ["conebench", "run", "specs", "--run-dir", "runs"]
try: main()
except SystemExit as end: assert not end.code, end.code
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_maxrss // 1024, used.ru_utime + used.ru_stime)
"""


def run_tiny_specs(folder: Path, count: int) -> tuple[int, float]:
    """`conebench run` of so many specs: peak megabytes and processor seconds of the process."""
    (folder / "specs").mkdir(parents=True)
    for index in range(count):
        name = f"tiny{index:03}"
        (folder / f"specs/{name}.yaml").write_text(TINY.format(name=name, seed=index))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN],
        cwd=folder, capture_output=True, text=True, check=True,
    )
    megabytes, seconds = done.stdout.split()[-2:]
    return int(megabytes), float(seconds)


@pytest.mark.parametrize("count", [SPECS // 4, SPECS])
def test_many_specs_in_a_row(benchmark, tmp_path: Path, count: int) -> None:
    benchmark.group = "specs"

    def work() -> None:
        megabytes, seconds = run_tiny_specs(tmp_path / "work", count)
        benchmark.extra_info |= {"peak MB": megabytes, "processor s": seconds}

    benchmark.pedantic(work, rounds=1)
