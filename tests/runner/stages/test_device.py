"""conebench.runner.stages.device: why a run is not on a GPU."""

import pytest
import torch

from conebench.runner.stages.device import device_line, missing_gpu, reason_without_gpu


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
