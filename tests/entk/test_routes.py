"""conebench.entk.routes: which way each parameter goes, and that what is doubtful is generic."""

import pytest
from networks import make_network
from torch import Tensor, nn

from conebench.entk.routes import Routes, find_routes
from conebench.networks.functional import FrozenNetwork

# Network -> its parameters that no rule covers.
GENERIC = {
    "mlp": set(),
    "batchnorm_cnn": set(),
    "vit": set(),
    "frozen_part": set(),
    "shared_layer": {"twice.weight", "twice.bias"},
    # Rows that are no samples in turn, or a weight used past its module, are found out.
    "windows": {"out_of_order.weight", "scale"},
    "past_its_module": {"layer.weight"},
    "convolutions": {"same.weight"},
    "keeps_biases": {"biases"},
    "tokens": {"mix"},
    "shared_module": {"first.weight", "first.bias"},
    # What is computed depends on values of the inputs.
    "cannot_be_mapped": {"twice.weight", "twice.bias", "head.weight", "head.bias"},
    "transposed_after_norm": set(),
}


def routes_of(network: nn.Module, x: Tensor) -> Routes:
    """The routes of a network's parameters."""
    return find_routes(FrozenNetwork(network, is_anchored=False), x)[0]


@pytest.mark.parametrize("name", GENERIC)
@pytest.mark.parametrize("count", [1, 3])
def test_what_no_rule_covers_is_generic(name: str, count: int) -> None:
    network, x = make_network(name, count=count)
    parameters = {n: p for n, p in network.named_parameters() if p.requires_grad}
    found = routes_of(network, x)
    terms = found.terms
    assert found.classes == 3
    assert [term.parameter for term in terms] == list(parameters)
    assert {term.parameter for term in terms if term.route == "generic"} == GENERIC[name]
    for term in terms:
        assert term.entries == parameters[term.parameter].numel()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("tokens", {"token", "positions", "scale"}), ("vit", {"cls_token", "pos_embed"})],
)
def test_what_is_broadcast_over_samples_is_expanded(name: str, expected: set[str]) -> None:
    network, x = make_network(name)
    terms = routes_of(network, x).terms
    assert {term.parameter for term in terms if term.route == "expanded"} == expected


def test_what_the_graph_keeps_is_counted() -> None:
    network, x = make_network("mlp")
    found = routes_of(network, x)
    # The inputs of both layers, and that of GELU.
    assert found.graph_numbers == 12 + 8 + 8


def test_the_normal_form_of_a_convolution() -> None:
    network, x = make_network("convolutions")
    terms = {t.parameter: t for t in routes_of(network, x).terms}
    strided, dilated = terms["strided.weight"], terms["dilated.weight"]
    assert (strided.groups, strided.positions, strided.inputs, strided.outputs) == (1, 4, 27, 4)
    assert (dilated.groups, dilated.inputs, dilated.outputs) == (2, 4, 2)
    assert (strided.held_inputs, strided.held_outputs) == (48, 16)
    assert terms["strided.bias"].route == "bias"
