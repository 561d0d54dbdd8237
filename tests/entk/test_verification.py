"""conebench.entk.verification: a right kernel passes, a wrong one does not."""

import pytest
import torch
from networks import NETWORKS, make_network

from conebench.entk import empirical_ntk, self_check

OUTPUTS = ["full", "trace", "sum"]


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_right_kernel_passes(name: str, outputs: str) -> None:
    network, x = make_network(name)
    assert self_check(network, x, empirical_ntk(network, x, outputs=outputs), outputs) < 1e-12


@pytest.mark.parametrize("outputs", OUTPUTS)
def test_a_kernel_without_one_parameter_fails(outputs: str) -> None:
    network, x = make_network("vit")
    network.pos_embed.requires_grad_(False)
    wrong = empirical_ntk(network, x, outputs=outputs)
    network.pos_embed.requires_grad_(True)
    assert self_check(network, x, wrong, outputs) > 1e-4


def test_more_samples_than_are_taken_at_once() -> None:
    network, x = make_network("batchnorm_cnn", count=33)
    assert self_check(network, x, empirical_ntk(network, x), "full") < 1e-12


def test_the_seed_decides_the_directions() -> None:
    network, x = make_network("mlp")
    wrong = empirical_ntk(network, x) + torch.rand(4, 3, 4, 3, dtype=torch.float64)
    found = [self_check(network, x, wrong, "full", seed=seed) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
