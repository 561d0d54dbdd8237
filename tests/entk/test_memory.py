"""conebench.entk.memory: the limit holds for what a process really takes."""

import subprocess
import sys

import pytest
import torch

from conebench.entk.memory import default_memory_limit

PROGRAM = """
import sys, torch
from pathlib import Path
from conebench.entk import empirical_ntk, group_of, grouped_ntk, plan_grouped_ntk, plan_ntk
from conebench.networks.timm_models import make_model

name, samples, limit, grouped = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
if name == "mlp":
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 8), torch.nn.Linear(8, 5))
else:
    network = make_model(name, {}, pretrained=False, classes=10, channels=3, seed=0)
network, side = network.eval(), 2 if name == "mlp" else 32
x = torch.zeros(samples, 3, side, side).normal_(generator=torch.Generator().manual_seed(0))


def peak():
    # Of this process alone: ru_maxrss would begin at that of the one that started it.
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


# Libraries set aside memory of their own at the first use.
small = make_model("cifar_resnet8", {}, pretrained=False, classes=10, channels=3, seed=0).eval()
empirical_ntk(small, torch.randn(2, 3, 32, 32))
before = peak()
how = {"memory_limit": limit}
if grouped == "grouped":
    kept = grouped_ntk(network, x, by=group_of, **how)
    plan = plan_grouped_ntk(network, x, by=group_of, **how)
else:
    kept = empirical_ntk(network, x, **how)
    plan = plan_ntk(network, x, **how)
print(peak() - before, len(plan.passes))
"""


def measured(name: str, samples: int, limit: int, grouped: str) -> tuple[int, int]:
    """Bytes that a kernel took in a process of its own, and its passes."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, str(samples), str(limit), grouped],
        capture_output=True,
        text=True,
        check=True,
    )
    taken, passes = map(int, done.stdout.split())
    return taken, passes


@pytest.mark.parametrize(
    ("name", "samples", "limit"),
    [("cifar_resnet20", 32, 120_000_000), ("cifar_vgg16_bn", 16, 200_000_000)],
)
def test_the_limit_holds(name: str, samples: int, limit: int) -> None:
    taken, passes = measured(name, samples, limit, "whole")
    assert 0 < taken <= limit
    assert passes > 1


def test_the_limit_holds_where_the_kernels_are_most_of_it() -> None:
    # 100 MB for the whole kernel, as much for the open group.
    taken, _ = measured("mlp", 1000, 400_000_000, "grouped")
    assert 200_000_000 < taken <= 400_000_000


def test_the_default_is_a_power_of_two() -> None:
    limit = default_memory_limit(torch.device("cpu"))
    assert limit.bit_count() == 1
    assert limit >= 2**20
