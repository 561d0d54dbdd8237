"""conebench.networks.kept: tensors made of parameters are forgotten, everything else is not."""

import pytest
import torch
from odd_holding import body
from odd_keeping import Keeps
from odd_networks import CASES
from torch import Tensor, nn

from conebench.networks.functional import FrozenNetwork
from conebench.networks.kept import forget_kept

KEEPING = [name for name in CASES if name.startswith("keeps_")]


@pytest.mark.parametrize("name", KEEPING)
@pytest.mark.parametrize("is_anchored", [False, True])
def test_a_tensor_kept_from_an_earlier_pass_follows_the_parameters(
    name: str, is_anchored: bool
) -> None:
    case = CASES[name]
    network, x = case.network(), case.x()
    with torch.no_grad():
        network(x)
    moved = {n: p.detach() + 0.1 for n, p in network.named_parameters()}
    frozen = FrozenNetwork(network, is_anchored=is_anchored)
    forget_kept(frozen, x[:1])
    found = frozen(x, moved)
    fresh = case.network()
    with torch.no_grad():
        for p in fresh.parameters():
            p.add_(0.1)
        torch.testing.assert_close(found, fresh(x))


class Masked(nn.Module):
    """Constants of several kinds; without one of them a pass fails or goes another way."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.mask = torch.tensor([1.0, 0.0, 2.0], dtype=torch.float64)
        self.shifts = [torch.tensor(1.0, dtype=torch.float64)]
        self.register_buffer("scale", torch.tensor(3.0))
        self.cut = None

    def forward(self, x: Tensor) -> Tensor:
        if self.mask is None:
            self.mask = torch.ones(3, dtype=torch.float64)
        if self.cut is None:
            # No gradient goes through it.
            self.cut = (self.layer.weight > 0).double().sum(1)
        x = self.layer(x) * self.mask * self.cut
        return x * self.scale + sum(self.shifts)


def test_constants_stay() -> None:
    network, x = Masked().double().eval(), CASES["table"].x()
    with torch.no_grad():
        expected = network(x)
    network.cut = network.cut + 1
    expected = network(x)
    frozen = FrozenNetwork(network, is_anchored=False)
    forget_kept(frozen, x[:1])
    assert torch.equal(frozen(x), expected)


def test_a_network_that_keeps_nothing_needs_no_pass() -> None:
    network = body()
    network.forward = None
    forget_kept(FrozenNetwork(network, is_anchored=False), torch.ones(1, 2))


def test_statistics_of_batchnorm_are_not_tried() -> None:
    network = nn.BatchNorm1d(2).eval()
    network.forward = None
    forget_kept(FrozenNetwork(network, is_anchored=False), torch.ones(1, 2))


def test_what_is_forgotten_stays_with_the_user() -> None:
    case = CASES["keeps_attribute"]
    network, x = case.network(), case.x()
    network(x)
    kept = network.value
    assert isinstance(network, Keeps)
    forget_kept(FrozenNetwork(network, is_anchored=False), x[:1])
    assert network.value is kept
