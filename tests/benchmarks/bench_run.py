"""A whole run of a spec against the bare training steps and kernels that it is made of.

`make bench` prints both in one table; the ratio of their times is what data, augmentation, tests,
files and bookkeeping add.
"""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from conebench.data.datasets import Data, load_data
from conebench.entk import empirical_ntk
from conebench.linearize import LinearizedModel
from conebench.networks.timm_models import classifier_parameters, make_model
from conebench.record import Record, read_record
from conebench.runner import RunOptions, SilentProgress, run_spec
from conebench.spec import Spec

SPEC = Spec.model_validate_json("""{
  "name": "overhead", "title": "ResNet-8 on digits, brought to 16x16",
  "model": {"name": "cifar_resnet8"},
  "dataset": {"name": "digits", "image_size": 16,
              "augmentation": {"flip": true, "crop_padding": 2}},
  "training": {"steps": 400, "batch_size": 64,
               "optimizer": {"name": "sgd", "learning_rate": 0.02, "momentum": 0.9}},
  "linearization": {"learning_rate": 0.01},
  "switching": {"steps": [40, 120]},
  "kernel": {"samples": 50, "checkpoints": {"every": 40}},
  "seeds": [0]
}""").resolved()
CPU = torch.device("cpu")


def run_whole(folder: Path) -> Record:
    options = RunOptions(data_root=folder, run_dir=folder, device=CPU)
    return run_spec(SPEC, options, SilentProgress())[0]


def train_bare(network: nn.Module, data: Data, steps: int) -> None:
    """Steps on one minibatch, made once."""
    optimizer = torch.optim.SGD(
        [p for p in network.parameters() if p.requires_grad], lr=1e-3, momentum=0.9
    )
    x, y = data.batch(0, 0, SPEC.training.batch_size)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()
        optimizer.step()


def probe_of(network: nn.Module) -> nn.Module:
    probe = copy.deepcopy(network).eval()
    head = classifier_parameters(probe)
    for name, parameter in probe.named_parameters():
        parameter.requires_grad_(name in head)
    return probe


def do_bare(record: Record, data: Data) -> None:
    """The steps of every arm of the record, each stage once, and its kernels."""
    network = make_model("cifar_resnet8", {}, pretrained=False, classes=10, channels=1, seed=0)
    networks: dict[str, Callable[[], nn.Module]] = {
        "full": lambda: copy.deepcopy(network),
        "control": lambda: copy.deepcopy(network),
        "lazy": lambda: LinearizedModel(network),
        "switched": lambda: LinearizedModel(network),
        "probe": lambda: probe_of(network),
    }
    (seed,) = record.seeds
    for arm in seed.arms:
        if (arm.arm, arm.step) != ("switched", 0):  # one stage with the lazy arm
            train_bare(networks[arm.arm](), data, SPEC.total_steps - (arm.step or 0))
    evaluated, x = network.eval(), data.normalize(data.train.pixels[: SPEC.kernel.samples])
    for _ in seed.kernel.steps:
        empirical_ntk(evaluated, x)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Record:
    folder = tmp_path_factory.mktemp("warm-up")
    run_whole(folder)
    return read_record(folder / SPEC.name / "record.json")


@pytest.mark.parametrize("kind", ["whole run", "bare steps and kernels"])
def test_run(benchmark, finished: Record, tmp_path_factory, kind: str) -> None:
    data = load_data(SPEC.dataset, Path(), CPU)
    works: dict[str, Callable[[], object]] = {
        "whole run": lambda: run_whole(tmp_path_factory.mktemp("run")),
        "bare steps and kernels": lambda: do_bare(finished, data),
    }
    benchmark.group = "run"
    benchmark.pedantic(works[kind], rounds=1)
