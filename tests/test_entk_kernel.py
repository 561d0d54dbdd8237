"""conebench.entk.kernel against two independent float64 oracles."""

import pytest
import torch
from networks import NETWORKS, jacobian_by_differences, jacobian_by_rows, make_network
from torch import nn

from conebench.entk import KernelError, as_matrix, empirical_ntk


@pytest.mark.parametrize("name", NETWORKS)
def test_full_kernel_is_the_gram_matrix_of_the_gradients(name: str) -> None:
    network, x = make_network(name)
    J = jacobian_by_rows(network, x)
    kernel = empirical_ntk(network, x)
    assert kernel.shape == (4, 3, 4, 3)
    torch.testing.assert_close(as_matrix(kernel), J @ J.T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_full_kernel_agrees_with_finite_differences(name: str) -> None:
    network, x = make_network(name, count=2)
    J = jacobian_by_differences(network, x)
    torch.testing.assert_close(as_matrix(empirical_ntk(network, x)), J @ J.T, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", NETWORKS)
def test_reductions_follow_from_the_full_kernel(name: str) -> None:
    network, x = make_network(name)
    full = empirical_ntk(network, x)
    trace = torch.einsum("icjc->ij", full) / 3
    torch.testing.assert_close(empirical_ntk(network, x, outputs="trace"), trace)
    summed = full.sum((1, 3)) / 3
    torch.testing.assert_close(empirical_ntk(network, x, outputs="sum"), summed)


@pytest.mark.parametrize("outputs", ["full", "trace", "sum"])
def test_kernel_between_two_sets_is_a_block_of_the_kernel_of_both(outputs: str) -> None:
    network, x = make_network("batchnorm_cnn", count=5)
    whole = empirical_ntk(network, x, outputs=outputs)
    block = empirical_ntk(network, x[:2], x[2:], outputs=outputs)
    expected = whole[:2, :, 2:] if outputs == "full" else whole[:2, 2:]
    torch.testing.assert_close(block, expected)


@pytest.mark.parametrize("memory_limit", [5_000, 30_000, 10**6])
@pytest.mark.parametrize("name", ["batchnorm_cnn", "vit"])
def test_memory_limit_changes_no_entry(name: str, memory_limit: int) -> None:
    network, x = make_network(name)
    limited = empirical_ntk(network, x, memory_limit=memory_limit)
    torch.testing.assert_close(limited, empirical_ntk(network, x), rtol=1e-12, atol=1e-12)
    assert not limited.requires_grad


def test_same_call_gives_the_same_bits() -> None:
    network, x = make_network("vit")
    network, x = network.float(), x.float()
    assert torch.equal(empirical_ntk(network, x), empirical_ntk(network, x))


def test_the_network_is_left_as_it_was() -> None:
    network, x = make_network("batchnorm_cnn")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    empirical_ntk(network, x)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


def _training(network: nn.Module, x: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    return network.train(), x


def _no_parameters(network: nn.Module, x: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    return network.requires_grad_(False), x


def _no_inputs(network: nn.Module, x: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    return network, x[:0]


def _nan_input(network: nn.Module, x: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    return network, x * float("nan")


def _infinite_weight(network: nn.Module, x: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    next(network.parameters()).data[0] = float("inf")
    return network, x


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_training, "the model is in training mode: call model.eval() first"),
        (_no_parameters, "the model has no trainable parameters"),
        (_no_inputs, "there are no inputs"),
        (_nan_input, "the kernel has NaN or infinite entries: check weights and inputs"),
        (_infinite_weight, "the kernel has NaN or infinite entries: check weights and inputs"),
    ],
)
def test_what_has_no_kernel_is_refused(spoil, message: str) -> None:
    network, x = spoil(*make_network("mlp"))
    with pytest.raises(KernelError) as caught:
        empirical_ntk(network, x)
    assert str(caught.value) == message


def test_inputs_of_two_shapes_are_refused() -> None:
    network, x = make_network("mlp")
    with pytest.raises(KernelError, match="inputs of two shapes"):
        empirical_ntk(network, x, x[:, :, :1])
