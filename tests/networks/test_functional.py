"""conebench.networks.functional: a copy asks for no gradients and keeps nothing."""

import pytest
import torch
from networks import KeepsBiases, make_network
from torch import Tensor, nn

from conebench.networks.functional import call_with, frozen_copy


def _copy(share: bool) -> tuple[KeepsBiases, nn.Module, Tensor]:
    network, x = make_network("keeps_biases")
    assert isinstance(network, KeepsBiases)
    with torch.no_grad():
        network(x)
    assert network.kept
    return network, frozen_copy(network, share=share), x


@pytest.mark.parametrize("share", [True, False])
def test_tensors_kept_from_an_earlier_pass_are_forgotten(share: bool) -> None:
    network, frozen, x = _copy(share)
    moved = {"biases": network.biases.detach() + 1.0}
    frozen(x)
    found = torch.func.functional_call(frozen, moved, (x,))
    assert not torch.allclose(found, frozen(x))


@pytest.mark.parametrize("share", [True, False])
def test_the_network_itself_keeps_what_it_had(share: bool) -> None:
    network, frozen, x = _copy(share)
    frozen(x)
    assert list(network.kept) == ["biases"]
    assert all(p.requires_grad for p in network.parameters())


def test_a_network_that_kept_a_graph_can_be_copied() -> None:
    network, x = make_network("keeps_biases")
    network(x)
    torch.testing.assert_close(frozen_copy(network)(x), network(x).detach())


def test_no_parameter_of_the_copy_asks_for_gradients() -> None:
    _, frozen, x = _copy(share=False)
    assert not frozen(x).requires_grad


@pytest.mark.parametrize("share", [True, False])
def test_sharing_decides_whose_tensors_are_used(share: bool) -> None:
    network, frozen, _ = _copy(share)
    same = frozen.get_parameter("biases").data_ptr() == network.biases.data_ptr()
    assert same == share


@pytest.mark.parametrize("name", ["shared_module", "shared_layer"])
def test_a_call_with_other_parameters_replaces_them_all_and_leaves_none(name: str) -> None:
    network, x = make_network(name)
    before = network(x)
    moved = {n: p.detach() + 0.1 for n, p in network.named_parameters()}
    with_moved = call_with(network, moved, x)
    assert not torch.allclose(with_moved, before)
    torch.testing.assert_close(network(x), before)
    network.load_state_dict({n: p + 0.1 for n, p in network.state_dict().items()})
    torch.testing.assert_close(network(x), with_moved)


def test_a_call_that_fails_leaves_the_parameters_as_they_were() -> None:
    network, x = make_network("mlp")
    before = network(x)
    with pytest.raises(RuntimeError):
        call_with(network, {"1.bias": torch.zeros(5, dtype=torch.float64)}, x)
    torch.testing.assert_close(network(x), before)
