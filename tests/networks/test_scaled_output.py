"""conebench.networks.scaled_output: alpha (f - f_0), its derivatives and its kernel."""

import copy

import pytest
import torch
from networks import jacobian_by_rows, make_network

from conebench.entk import as_matrix, empirical_ntk
from conebench.linearize import LinearizedModel, with_recalibrated_batchnorm
from conebench.networks.functional import FrozenNetwork
from conebench.networks.scaled_output import ScaledOutput
from conebench.networks.timm_models import classifier_parameters, make_model

SCALE = 3.0


def moved(name: str) -> tuple[ScaledOutput, torch.nn.Module, torch.Tensor]:
    """A scaled network away from its start, the start, and inputs."""
    network, x = make_network(name)
    start = copy.deepcopy(network)
    scaled = ScaledOutput(network, SCALE).eval()
    generator = torch.Generator().manual_seed(2)
    for p in network.parameters():
        p.data += 0.1 * torch.randn(p.shape, generator=generator, dtype=p.dtype)
    return scaled, start, x


@pytest.mark.parametrize("name", ["mlp", "batchnorm_cnn", "vit"])
def test_it_is_the_scaled_difference_from_the_start(name: str) -> None:
    scaled, start, x = moved(name)
    torch.testing.assert_close(scaled(x), SCALE * (scaled.network(x) - start(x)))
    at_start = ScaledOutput(start, SCALE).eval()
    assert not at_start(x).any()


@pytest.mark.parametrize("name", ["mlp", "batchnorm_cnn", "vit"])
def test_its_kernel_is_that_of_the_network_times_the_square(name: str) -> None:
    scaled, _, x = moved(name)
    expected = SCALE**2 * as_matrix(empirical_ntk(scaled.network, x))
    torch.testing.assert_close(as_matrix(empirical_ntk(scaled, x)), expected)


def test_its_linearization_keeps_the_start() -> None:
    scaled, _, x = moved("batchnorm_cnn")
    linear = LinearizedModel(scaled)
    for w in linear.displacement:
        w.data.fill_(0.01)
    w = torch.cat([w.detach().flatten() for w in linear.displacement])
    J = SCALE * jacobian_by_rows(scaled.network, x)
    torch.testing.assert_close(linear(x), scaled(x) + (J @ w).view(-1, 3), rtol=1e-9, atol=1e-11)


def test_it_is_zero_at_the_start_in_every_mode() -> None:
    """With batch statistics, with the running ones that they leave, and with recalibrated ones."""
    network, x = make_network("batchnorm_cnn")
    network[6].p = 0.0  # its dropout would differ
    scaled = ScaledOutput(network, SCALE).train()
    assert not scaled(x).any()
    assert not scaled.eval()(2 * x).any()
    assert not with_recalibrated_batchnorm(scaled, [x, 3 * x])(x).any()


def test_training_leaves_the_parameters_and_the_dropout_of_the_start_alone() -> None:
    network, x = make_network("batchnorm_cnn")
    scaled = ScaledOutput(network, SCALE).train()
    modes = {type(m).__name__: m.training for m in scaled.initial.modules()}
    assert (modes["BatchNorm2d"], modes["Dropout"], modes["GroupNorm"]) == (True, False, False)
    scaled(x).sum().backward()
    assert all(p.grad is None and not p.requires_grad for p in scaled.initial.parameters())
    assert all(p.grad is not None for p in scaled.network.parameters())


def test_what_converts_the_network_converts_the_start() -> None:
    scaled, _, x = moved("mlp")
    single = copy.deepcopy(scaled).float()
    torch.testing.assert_close(single(x.float()), scaled(x).float(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(FrozenNetwork(scaled, is_anchored=False)(x), scaled(x))


def test_its_last_layer_is_the_networks() -> None:
    network = make_model("cifar_resnet8", {}, pretrained=False, classes=3, channels=3, seed=0)
    scaled = ScaledOutput(network, SCALE)
    expected = {f"network.{name}" for name in classifier_parameters(network)}
    assert classifier_parameters(scaled) == expected
