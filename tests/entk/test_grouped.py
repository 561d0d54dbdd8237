"""conebench.entk.grouped: the whole kernel and its groups from one set of backward passes."""

import pytest
import torch
from networks import jacobian_by_rows, make_network

from conebench.entk import (
    KernelError,
    as_matrix,
    empirical_ntk,
    group_of,
    grouped_ntk,
    plan_grouped_ntk,
)

NAMES = ["batchnorm_cnn", "vit", "shared_layer", "cannot_be_mapped"]


def last_part(parameter: str) -> str:
    """Groups that come and go along the network: all weights, all biases."""
    return parameter.rpartition(".")[2]


@pytest.mark.parametrize(
    ("parameter", "group"),
    [
        ("layer1.0.conv1.weight", "layer1"),
        ("blocks.3.attn.qkv.bias", "blocks.3"),
        ("stages.1.blocks.0.gamma", "stages.1"),
        ("fc.weight", "fc"),
        ("pos_embed", "pos_embed"),
        ("features.14.weight", "features.14"),
    ],
)
def test_group_of(parameter: str, group: str) -> None:
    assert group_of(parameter) == group


@pytest.mark.parametrize("by", [group_of, last_part])
@pytest.mark.parametrize("name", NAMES)
def test_groups_are_the_trace_kernels_of_their_gradients(name: str, by) -> None:
    network, x = make_network(name)
    J = jacobian_by_rows(network, x).view(len(x), 3, -1)
    expected: dict[str, torch.Tensor] = {}
    start = 0
    for parameter, value in network.named_parameters():
        own = J[:, :, start : start + value.numel()]
        start += value.numel()
        K = torch.einsum("icp,jcp->ij", own, own) / 3
        expected[by(parameter)] = expected.get(by(parameter), 0) + K
    assert start == J.shape[2]
    whole, groups = grouped_ntk(network, x, by=by)
    assert list(groups) == list(expected)
    assert len(groups) > 1
    for group, K in groups.items():
        torch.testing.assert_close(K, expected[group], rtol=1e-10, atol=1e-12)
    J = J.flatten(0, 1)
    torch.testing.assert_close(as_matrix(whole), J @ J.T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("memory_limit", [135_000, None])
@pytest.mark.parametrize("outputs", ["full", "trace", "sum"])
@pytest.mark.parametrize("name", NAMES)
def test_groups_add_up_and_the_whole_is_the_kernel(
    name: str, outputs: str, memory_limit: int | None
) -> None:
    network, x = make_network(name)
    whole, groups = grouped_ntk(network, x, by=group_of, outputs=outputs, memory_limit=memory_limit)
    torch.testing.assert_close(whole, empirical_ntk(network, x, outputs=outputs))
    trace = empirical_ntk(network, x, outputs="trace")
    torch.testing.assert_close(sum(groups.values()), trace)
    assert all(torch.equal(K, K.T) for K in groups.values())


def test_a_group_is_the_kernel_of_its_parameters_alone() -> None:
    network, x = make_network("batchnorm_cnn")
    _, groups = grouped_ntk(network, x, by=group_of)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.startswith("3."))
    torch.testing.assert_close(groups["3"], empirical_ntk(network, x, outputs="trace"))


def test_a_group_without_gradients_is_zero() -> None:
    network, x = make_network("batchnorm_cnn")
    torch.nn.init.zeros_(list(network.parameters())[-2])  # the last layer's weight
    _, groups = grouped_ntk(network.float(), x.float(), by=group_of)
    *others, last = groups.values()
    assert not any(K.any() for K in others)
    assert (last.diagonal() > 0).all()


def test_the_plan_counts_every_pass() -> None:
    network, x = make_network("vit")
    parameters = sum(p.numel() for p in network.parameters())

    def counted(outputs: str) -> list[tuple[int, int]]:
        plan = plan_grouped_ntk(network, x, by=group_of, outputs=outputs)
        assert plan.multiply_adds > 0
        return [
            (planned.directions, sum(piece.entries for piece in planned.pieces))
            for planned in plan.passes
        ]

    assert counted("full") == counted("trace") == [(3, parameters)]
    assert counted("sum") == [(1, parameters), (3, parameters)]


def test_what_has_no_kernel_is_refused() -> None:
    network, x = make_network("mlp")
    for build in (grouped_ntk, plan_grouped_ntk):
        with pytest.raises(KernelError, match="training mode"):
            build(network.train(), x, by=group_of)
