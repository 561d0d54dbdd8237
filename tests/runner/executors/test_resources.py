"""What a stage needs of its machine, and which GPU a worker takes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from conebench.linearize import LinearizedModel
from conebench.runner.executors.resources import BASE_BYTES, gpu_share, stage_bytes
from conebench.runner.stages.activation_memory import bytes_kept, images_within
from conebench.runner.stages.device import visible_gpu, workers_on_one_device


@given(st.integers(1, 2**42), st.integers(2**30, 2**38))
def test_a_share_covers_the_peak_and_is_no_more_than_a_gpu(peak: int, total: int) -> None:
    share = gpu_share(peak, total)
    assert 0 < share <= 1
    assert share == 1 or peak / total <= share <= peak / total + 0.011


def test_training_and_kernels_are_not_there_at_once() -> None:
    assert stage_bytes(state=10, data=7, activations=100, kernel=200) == BASE_BYTES + 50 + 7 + 300
    assert stage_bytes(state=10, data=7, activations=10, kernel=200) == BASE_BYTES + 50 + 7 + 200


def test_what_is_kept_for_the_backward_pass_is_counted_once_without_parameters() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    x = torch.zeros(3, 4)
    # The input of the first layer, the output of tanh for itself and for the second layer.
    assert bytes_kept(network, x) == 4 * (3 * 4 + 3 * 8)


@pytest.mark.parametrize(("limit", "expected"), [(1, 1), (48, 1), (7 * 48, 7), (8 * 48 - 1, 7)])
def test_images_within_a_limit(limit: int, expected: int) -> None:
    """Of each image the inputs of both layers are kept, 12 numbers; the anchors count none."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.Linear(8, 2))
    x = torch.zeros(5, 1, 2, 2)
    assert images_within(limit, LinearizedModel(network), x) == expected


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
