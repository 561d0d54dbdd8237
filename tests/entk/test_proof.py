"""conebench.entk.proof: what has no kernel is refused in one line, and proofs are shared."""

import functools

import numpy as np
import pytest
import torch
from networks import jacobian_by_rows, make_network
from odd_networks import CASES
from torch import Tensor, nn

from conebench.entk import (
    KernelError,
    empirical_ntk,
    grouped_ntk,
    plan_grouped_ntk,
    plan_ntk,
    prove,
)
from conebench.entk import proof as proofs
from conebench.entk.kernel import as_matrix
from conebench.entk.proof import structure_of
from conebench.networks.functional import FrozenNetwork


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outputs": "diag"}, "outputs: got 'diag', expected full, trace, sum"),
        (
            {"x1": torch.ones(4, 3, 2, 2).long()},
            "x1: got int64, expected inputs of a floating type",
        ),
        ({"x1": torch.ones(4, 3, 2, 2).numpy()}, "x1: got a ndarray, expected a tensor of inputs"),
        ({"x2": [1.0]}, "x2: got a list, expected a tensor of inputs"),
        ({"memory_limit": "1GB"}, "memory_limit: got '1GB', expected a whole number of bytes"),
        ({"proof": "no"}, "proof: got 'no', expected what prove returns"),
        ({"memory_limit": float("nan")}, "memory_limit: got nan, expected a whole number of bytes"),
    ],
)
@pytest.mark.parametrize("function", [empirical_ntk, plan_ntk])
def test_wrong_arguments_are_named(function, arguments: dict, message: str) -> None:
    network, x = make_network("mlp")
    with pytest.raises(KernelError, match=message):
        function(network, **{"x1": x, **arguments})


@pytest.mark.parametrize("function", [grouped_ntk, plan_grouped_ntk])
def test_a_grouping_that_is_no_function_is_named(function) -> None:
    network, x = make_network("mlp")
    with pytest.raises(KernelError, match="by: got 'layer', expected a function of a parameter's"):
        function(network, x, by="layer")
    with pytest.raises(KernelError, match=r"by: got \['1'\] for 1.weight, expected the name of a"):
        function(network, x, by=lambda name: name.split(".")[:1])


class StopsOnARarePath(nn.Module):
    """Sends samples of a positive mean through a layer that one factor's gradient misses."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        common, rare = self.layers
        y = common(x)
        chosen = x.mean(1) > 0
        if chosen.any():
            with torch.no_grad():
                size = rare(x[chosen]).norm(dim=1, keepdim=True)
            y[chosen] = rare(x[chosen]) / size
        return self.head(y)


def test_a_path_that_one_of_the_samples_takes_is_checked() -> None:
    torch.manual_seed(0)
    network, x = StopsOnARarePath().double().eval(), -torch.rand(5, 6).double()
    empirical_ntk(network, x)
    for rare in range(5):
        mixed = x.clone()
        mixed[rare] *= -1
        with pytest.raises(KernelError, match="autograd's gradients are not the derivatives"):
            empirical_ntk(network, mixed)


def test_a_proof_serves_networks_of_the_same_structure(monkeypatch) -> None:
    network, x = make_network("batchnorm_cnn")
    proof = prove(network, x)
    other, _ = make_network("batchnorm_cnn", seed=1)
    expected = [empirical_ntk(other, x), *grouped_ntk(other, x, by=str, outputs="sum")[1].values()]
    monkeypatch.setattr(proofs, "find_routes", None)
    found = [empirical_ntk(other, x, proof=proof)]
    found += grouped_ntk(other, x, by=str, outputs="sum", proof=proof)[1].values()
    assert all(map(torch.equal, found, expected))
    assert plan_ntk(other, x, proof=proof).passes
    assert plan_grouped_ntk(other, x, by=str, proof=proof).passes


def _other_setting(network: nn.Module) -> None:
    network[6].p = 0.25


def _frozen_weight(network: nn.Module) -> None:
    network[0].weight.requires_grad_(False)


def _hook(network: nn.Module) -> None:
    network[0].register_forward_hook(lambda *_: None)


def _patch(network: nn.Module) -> None:
    network[0].forward = lambda x: x


def _other_class(network: nn.Module) -> None:
    network[2] = nn.ReLU()


def _other_type(network: nn.Module) -> None:
    network.float()


@pytest.mark.parametrize(
    "change", [_other_setting, _frozen_weight, _hook, _patch, _other_class, _other_type]
)
def test_another_structure_is_proved_again(change) -> None:
    network, x = make_network("batchnorm_cnn")
    before = structure_of(FrozenNetwork(network, is_anchored=False), x)
    change(network)
    assert structure_of(FrozenNetwork(network, is_anchored=False), x) != before


def test_a_proof_of_another_network_is_not_used() -> None:
    network, x = make_network("batchnorm_cnn")
    other, _ = make_network("transposed_after_norm")
    expected = empirical_ntk(network, x)
    assert torch.equal(
        empirical_ntk(network, x, proof=prove(other, torch.ones(2, 3, 4, 4).double())), expected
    )


def test_the_values_of_tensors_are_no_structure() -> None:
    network, x = make_network("batchnorm_cnn")
    other, _ = make_network("batchnorm_cnn", seed=1)
    structures = {structure_of(FrozenNetwork(n, is_anchored=False), x) for n in (network, other)}
    assert len(structures) == 1


def test_what_is_proved_is_checked() -> None:
    with pytest.raises(KernelError, match="draws random numbers"):
        prove(CASES["drops"].network(), CASES["drops"].x())


def kernel_by_rows(network: nn.Module, x: Tensor) -> Tensor:
    J = jacobian_by_rows(network, x)
    return J @ J.T


class Turns(nn.Module):
    """Takes its rows backwards if its switch is set."""

    def __init__(self, switch: object) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        if isinstance(switch, Tensor) and not isinstance(switch, nn.Parameter):
            self.register_buffer("switch", switch)
        else:
            self.switch = switch

    def forward(self, x: Tensor) -> Tensor:
        switch = self.switch
        while isinstance(switch, tuple | functools.partial):
            switch = switch() if callable(switch) else switch[0]
        is_set = switch.flatten()[0] > 0 if isinstance(switch, Tensor) else switch > 0
        y = self.layer(x.flip(0)).flip(0) if is_set else self.layer(x)
        return y + switch.sum() if isinstance(switch, nn.Parameter) else y


@pytest.mark.parametrize(
    "switch",
    [
        lambda value: nn.Parameter(torch.tensor(value)),
        lambda value: nn.Parameter(torch.tensor(value), requires_grad=False),
        torch.tensor,
        lambda value: torch.full((20,), value),
        lambda value: torch.full((20,), int(value)),
        np.float32,
        lambda value: functools.partial(abs, min(value, 0.0)),
        lambda value: (value,),
    ],
    ids=["parameter", "frozen", "buffer", "large", "table", "numpy", "partial", "tuple"],
)
def test_a_proof_is_not_used_for_another_path(switch) -> None:
    torch.manual_seed(0)
    network, other = (Turns(switch(value)).double().eval() for value in (1.0, -1.0))
    x = torch.randn(4, 3, dtype=torch.float64)
    for one, proved in ((network, other), (other, network)):
        H = empirical_ntk(one, x, proof=prove(proved, x))
        torch.testing.assert_close(as_matrix(H), kernel_by_rows(one, x))


class StopsAtZero(nn.Module):
    """Stops a gradient where a parameter is 0, as it is at the start."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.edge = nn.Linear(3, 2), nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(bool(self.edge != 0)):
            y = self.layer(x)
        return y + self.edge


def test_the_path_at_the_networks_own_parameters_is_proved() -> None:
    torch.manual_seed(0)
    network, x = StopsAtZero().double().eval(), torch.randn(4, 3, dtype=torch.float64)
    with pytest.raises(KernelError, match="autograd's gradients are not the derivatives"):
        empirical_ntk(network, x)
