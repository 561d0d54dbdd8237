"""conebench.runner.stages.activation_memory: what a pass keeps, and batches that fit."""

import pytest
import torch
from torch import nn

from conebench.linearize import LinearizedModel
from conebench.runner.stages.activation_memory import bytes_kept, images_within


def test_what_is_kept_for_the_backward_pass_is_counted_once_without_parameters() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    x = torch.zeros(3, 4)
    # The input of the first layer, the output of tanh for itself and for the second layer.
    assert bytes_kept(network, x, network.parameters()) == 4 * (3 * 4 + 3 * 8)


@pytest.mark.parametrize(("limit", "expected"), [(1, 1), (48, 1), (7 * 48, 7), (8 * 48 - 1, 7)])
def test_images_within_a_limit(limit: int, expected: int) -> None:
    """Of each image the inputs of both layers are kept, 12 numbers; the anchors count none."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.Linear(8, 2))
    linear, x = LinearizedModel(network), torch.zeros(5, 1, 2, 2)
    assert images_within(limit, linear, x) == expected
    # Replays are for training mode.
    assert linear.training
