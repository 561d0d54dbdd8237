"""Full and trace kernels, C = 10, 32x32 images, float32: conebench beside other tools, in one run.

`make bench` prints the times in one table a case; each row's peak memory, measured in a process of
its own, and the share of the matrix peak stand in the JSON that `--benchmark-json` writes.
"""

import subprocess
import sys
from functools import cache
from pathlib import Path
from time import perf_counter

import pytest
import torch
from kernel_tools import CASES, LEFT_OUT, TOOLS, make_case

from conebench.entk import plan_ntk

torch.manual_seed(0)


@pytest.mark.filterwarnings("ignore")  # what other tools warn of
@pytest.mark.parametrize(
    ("view", "case", "tool"),
    [(view, case, tool) for view in CASES for case in CASES[view] for tool in TOOLS[view]],
)
def test_kernel(benchmark, view: str, case: str, tool: str) -> None:
    if (tool, case) in LEFT_OUT:
        pytest.skip(LEFT_OUT[tool, case])
    network, x = make_case(view, case)
    expected = _expected(view, case)
    # Trace kernels of many images take minutes.
    rounds = 3 if view == "full" else 1
    found = benchmark.pedantic(TOOLS[view][tool], (network, x), rounds=rounds)
    error = float((found.detach() - expected).norm() / expected.norm())
    assert error < 1e-3
    benchmark.group = f"{view} {case}"
    benchmark.extra_info["difference"] = error
    benchmark.extra_info["peak_mb"] = _peak_megabytes(view, tool, case)
    if tool == "conebench":
        flops = _operations(network, x, view)
        seconds = benchmark.stats.stats.min
        benchmark.extra_info["gigaflops"] = flops / seconds / 1e9
        benchmark.extra_info["share_of_matrix_peak"] = flops / seconds / _matrix_peak()


@cache
def _expected(view: str, case: str) -> torch.Tensor:
    return TOOLS[view]["conebench"](*make_case(view, case))


def _peak_megabytes(view: str, tool: str, case: str) -> float:
    script = Path(__file__).with_name("kernel_tools.py")
    command = [sys.executable, "-W", "ignore", script, view, tool, case]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _operations(network: torch.nn.Module, x: torch.Tensor, view: str) -> float:
    """Operations of the plan, symmetric halves counted once: passes through the network too."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(x)
    return 2 * plan_ntk(network, x, outputs=view).multiply_adds + 11 * counter.get_total_flops()


def _matrix_peak() -> float:
    """Operations a second of a 2048 x 2048 product, the best of ten."""
    side = torch.randn(2048, 2048)
    times = []
    for _ in range(10):
        began = perf_counter()
        side @ side
        times.append(perf_counter() - began)
    return 2 * 2048**3 / min(times)
