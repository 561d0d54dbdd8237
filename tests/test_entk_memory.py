"""conebench.entk.memory: the limit holds for what a process really takes."""

import subprocess
import sys

import pytest
import torch

from conebench.entk.memory import default_memory_limit

PROGRAM = """
import sys, torch
from pathlib import Path
from conebench.entk import empirical_ntk, plan_ntk
from conebench.model import make_model

name, samples, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
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
empirical_ntk(network, x, memory_limit=limit)
print(peak() - before, len(plan_ntk(network, x, memory_limit=limit).passes))
"""


@pytest.mark.parametrize(
    ("name", "samples", "limit"),
    [("cifar_resnet20", 32, 120_000_000), ("cifar_vgg16_bn", 16, 200_000_000)],
)
def test_the_limit_holds(name: str, samples: int, limit: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, str(samples), str(limit)],
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
