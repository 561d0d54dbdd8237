"""conebench.entk.memory: the limit holds for what a process really takes."""

import subprocess
import sys

import pytest
import torch

from conebench.entk.memory import default_memory_limit

PROGRAM = """
import sys, torch
from pathlib import Path
from conebench.entk import empirical_ntk, grouped_ntk, plan_grouped_ntk, plan_ntk, stage_of
from conebench.model import make_model

name, samples, limit, grouped = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
network = make_model(name, {}, pretrained=False, classes=10, channels=3, seed=0).eval()
x = torch.zeros(samples, 3, 32, 32).normal_(generator=torch.Generator().manual_seed(0))


def peak():
    # Of this process alone: ru_maxrss would begin at that of the one that started it.
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


# Libraries set aside memory of their own at the first use.
small = make_model("cifar_resnet8", {}, pretrained=False, classes=10, channels=3, seed=0).eval()
empirical_ntk(small, x[:2])
before = peak()
how = {"memory_limit": limit}
if grouped == "grouped":
    kept = grouped_ntk(network, x, by=stage_of, **how)
    plan = plan_grouped_ntk(network, x, by=stage_of, **how)
else:
    kept = empirical_ntk(network, x, **how)
    plan = plan_ntk(network, x, **how)
print(peak() - before, len(plan.passes))
"""


@pytest.mark.parametrize(
    ("name", "samples", "limit", "grouped"),
    [
        ("cifar_resnet20", 32, 120_000_000, "whole"),
        ("cifar_vgg16_bn", 16, 200_000_000, "whole"),
        # Few weights, so that the kernels themselves are most of it: 3.6 MB each.
        ("cifar_resnet8", 96, 60_000_000, "grouped"),
    ],
)
def test_the_limit_holds(name: str, samples: int, limit: int, grouped: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, str(samples), str(limit), grouped],
        capture_output=True,
        text=True,
        check=True,
    )
    taken, passes = map(int, done.stdout.split())
    assert 0 < taken <= limit
    assert passes > 1


def test_the_default_is_a_power_of_two() -> None:
    limit = default_memory_limit(torch.device("cpu"))
    assert limit.bit_count() == 1
    assert limit >= 2**20
