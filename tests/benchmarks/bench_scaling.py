"""How a run scales: stages side by side, the cost of a stage beside its work, many specs in a row.

Each figure is printed by `make bench` beside what it is to be compared with, of the same minutes.
Wall time is what a user waits for; on a machine that is shared, the processor's is the steadier.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

import conebench
from conebench.runner import RunOptions, SilentProgress, run_spec
from conebench.spec import Spec
from conebench.storage.manifest import read_manifest
from conebench.storage.store import Store

MANY_ARMS = Spec.model_validate_json("""{
  "name": "arms", "title": "ResNet-8 on digits, many arms",
  "model": {"name": "cifar_resnet8", "kwargs": {"width": 8}},
  "dataset": {"name": "digits"},
  "training": {"steps": 1000, "batch_size": 64,
               "optimizer": {"name": "sgd", "learning_rate": 0.02, "momentum": 0.9}},
  "switching": {"steps": [100, 200, 300, 400, 500, 600]},
  "kernel": {"samples": 20, "checkpoints": {"every": 100}},
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


def test_what_a_stage_costs_beside_its_work(benchmark, tmp_path: Path) -> None:
    """More seeds against one: the time of a run around its stages, computed and looked up.

    The difference leaves out what a run does once, such as its checks.
    """
    seeds = (1, 8)
    specs = [small_spec(count) for count in seeds]
    folders = [tmp_path / str(count) for count in seeds]
    around = []
    for spec, folder in zip(specs, folders, strict=True):
        wall, _ = best_of(1, partial(run_again, spec, folder))
        around.append(wall - stage_seconds(folder, spec))
    again = [best_of(3, partial(run_again, *case)) for case in zip(specs, folders, strict=True)]
    counts = [stages_of(folder, spec) for spec, folder in zip(specs, folders, strict=True)]
    more = counts[1] - counts[0]
    benchmark.group = "a stage"
    benchmark.extra_info |= {
        "stages more": more,
        "computed: ms around a stage": 1e3 * (around[1] - around[0]) / more,
        "looked up: ms a stage": 1e3 * (again[1][0] - again[0][0]) / more,
        "looked up: ms of processor a stage": 1e3 * (again[1][1] - again[0][1]) / more,
    }
    benchmark.pedantic(partial(run_again, specs[1], folders[1]), rounds=1)


def small_spec(seeds: int) -> Spec:
    data = YAML(typ="safe").load(TINY.format(name="small", seed=0))
    data |= {"seeds": list(range(seeds)), "switching": {"steps": [1, 2, 3, 4, 5]}}
    return Spec.model_validate_json(json.dumps(data)).resolved()


def stage_seconds(folder: Path, spec: Spec) -> float:
    store = Store(folder / spec.name)
    stages = {p.stage.file_stem: p.stage for p in read_manifest(store).stages}
    return sum(found.wall_seconds for s in stages.values() if (found := store.result(s)))


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
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(conebench.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
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
