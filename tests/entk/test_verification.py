"""conebench.entk.verification: a right kernel passes, a wrong one does not."""

import math

import pytest
import torch
from networks import NETWORKS, make_network
from torch import nn
from torchvision.ops import roi_align

from conebench.entk import KernelError, empirical_ntk, self_check

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


class Regions(nn.Module):
    """Torchvision's operator drops tangents without a word."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 2, 3, padding=1), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        boxes = [torch.tensor([[0.0, 0, 5, 5]]).to(x)] * len(x)
        return self.head(roi_align(self.conv(x).relu(), boxes, 2).flatten(1))


class Encoder(nn.Module):
    """In evaluation mode it takes an operator without a derivative."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(6, 2, 8, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 1), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(x[:, 0]).mean(1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", [Regions, Encoder])
def test_differences_decide_where_forward_mode_is_missing_or_wrong(
    kind: type[nn.Module], dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    network, x = kind().to(dtype).eval(), torch.randn(4, 1, 6, 6, dtype=dtype)
    K = empirical_ntk(network, x, outputs="trace")
    assert self_check(network, x, K, "trace") < (1e-6 if dtype == torch.float64 else 1e-4)
    assert self_check(network, x, K + 0.01 * K.mean(), "trace") > 1e-3


class OfOneType(nn.Module):
    """Has a constant of its own type."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.mm(self.body(x), torch.ones(3, 2))


def test_a_network_that_does_not_run_in_float64() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 1, 6, 6)
    network = OfOneType(nn.Sequential(nn.Flatten(), nn.Linear(36, 3))).eval()
    K = empirical_ntk(network, x, outputs="trace")
    assert self_check(network, x, 1.03 * K, "trace") == pytest.approx(0.03, rel=0.01)
    network = OfOneType(Encoder()).eval()
    with pytest.raises(KernelError, match="no forward-mode derivative and does not run in float64"):
        self_check(network, x, empirical_ntk(network, x, outputs="trace"), "trace")


def test_frozen_layers_stay_as_they_are_in_differences() -> None:
    torch.manual_seed(0)
    network, x = Regions().eval(), torch.randn(4, 1, 6, 6)
    network.head.requires_grad_(False)
    K = empirical_ntk(network, x, outputs="trace")
    assert self_check(network, x, K, "trace") < 1e-4
    assert self_check(network, x, 1.03 * K, "trace") == pytest.approx(0.03, rel=0.01)


@pytest.mark.parametrize("scale", [1e-12, 1e18])
def test_small_and_large_logits(scale: float) -> None:
    torch.manual_seed(0)
    network, x = nn.Linear(3, 2).eval(), torch.randn(4, 3) * scale
    K = empirical_ntk(network, x, outputs="trace")
    assert self_check(network, x, K, "trace") < 1e-5
    assert self_check(network, x, 1.01 * K, "trace") > 5e-3


def test_a_kernel_of_zeros_passes_where_it_is_right() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1, bias=False)).double()
    network[0].bias.data.fill_(-100.0)
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    zero = torch.zeros(3, 3, dtype=torch.float64)
    assert self_check(network.eval(), x, zero, "trace") == 0.0
    assert self_check(network, x, zero + 1, "trace") == math.inf


@pytest.mark.parametrize("outputs", OUTPUTS)
def test_a_kernel_of_another_shape_or_type_is_refused(outputs: str) -> None:
    network, x = make_network("mlp")
    K = empirical_ntk(network, x, outputs=outputs)
    for wrong in (K[:2], K.float()):
        with pytest.raises(KernelError, match=r"^kernel: got \["):
            self_check(network, x, wrong, outputs)


def test_a_kernel_with_nan_fails() -> None:
    network, x = make_network("mlp")
    K = empirical_ntk(network, x)
    K[0, 0, 0, 0] = torch.nan
    assert math.isnan(self_check(network, x, K, "full"))


def test_the_seed_decides_the_directions() -> None:
    network, x = make_network("mlp")
    wrong = empirical_ntk(network, x) + torch.rand(4, 3, 4, 3, dtype=torch.float64)
    found = [self_check(network, x, wrong, "full", seed=seed) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
