"""conebench.runner.stages.device: which device a run or a worker takes, and why not a GPU."""

import pytest
import torch

from conebench.runner.stages.device import (
    device_line,
    missing_gpu,
    reason_without_gpu,
    visible_gpu,
    workers_on_one_device,
)


@pytest.mark.parametrize(
    ("built_for", "driver", "reason"),
    [
        (None, None, "this torch was built without CUDA"),
        (None, "13.0", "this torch was built without CUDA"),
        ("13.0", None, "torch sees no GPU, and there is no NVIDIA driver"),
        ("13.0", "12.4", "the driver's CUDA 12.4 is older than this torch's CUDA 13.0"),
        # Drivers run every minor version of their major one.
        ("13.1", "13.0", "torch sees no GPU"),
        ("12.6", "13.0", "torch sees no GPU"),
    ],
)
def test_why_torch_sees_no_gpu(built_for: str | None, driver: str | None, reason: str) -> None:
    assert reason_without_gpu(built_for, driver) == reason


def test_the_line_of_a_run_names_its_device() -> None:
    reason = missing_gpu()
    assert (reason is None) == torch.cuda.is_available()
    assert device_line(torch.device("cpu")) == f"on the CPU: {reason or '--device cpu'}"


@pytest.mark.parametrize(
    ("count", "visible", "expected"),
    [(1, None, "000000"), (2, None, "010101"), (4, None, "012301"), (3, "5, 7,2", "572572")],
)
def test_workers_take_the_gpus_in_turn(count: int, visible: str | None, expected: str) -> None:
    assert "".join(visible_gpu(index, count, visible) for index in range(6)) == expected


@pytest.mark.parametrize(
    ("jobs", "gpus", "expected"), [(3, 0, 3), (1, 4, 1), (4, 4, 1), (5, 4, 2), (8, 1, 8)]
)
def test_memory_is_shared_by_the_workers_of_one_device(jobs: int, gpus: int, expected: int) -> None:
    assert workers_on_one_device(jobs, gpus) == expected
