"""The device of these tests: `--device cuda` on a GPU, in small on the CPU elsewhere."""

from collections.abc import Iterator

import pytest
import torch

from conebench.runner.stages.device import choose_device


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """The device with a run's settings, which are undone afterwards."""
    name = request.config.getoption("--device")
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    before = torch.are_deterministic_algorithms_enabled()
    yield choose_device(name)
    torch.use_deterministic_algorithms(before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if "tests/gpu/" in item.path.as_posix():
            item.add_marker("gpu")
