"""conebench.entk.layers: which layers go by a rule, and that all others do not."""

import pytest
import torch
from networks import make_network

from conebench.entk.layers import covered_layers, frozen_copy, layer_forms


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mlp", {"1", "3"}),
        ("batchnorm_cnn", {"0", "1", "3", "4", "7"}),
        ("shared_layer", {"first", "head"}),
        ("frozen_part", {"1", "3"}),
        # Rows that are no multiple of samples in turn, or a weight used past its module, are
        # found out by the proof on two samples.
        ("windows", {"norm", "in_order", "head"}),
        ("past_its_module", {"head"}),
        (
            "convolutions",
            {"strided", "dilated", "depthwise", "bn", "group_norm", "bias_only", "bn1d", "head"},
        ),
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_covered_layers(name: str, expected: set[str], count: int) -> None:
    network, x = make_network(name, count=count)
    covered = covered_layers(network, frozen_copy(network), x)
    assert {c.layer.name for c in covered} == expected
    by_name = dict(network.named_parameters())
    for c in covered:
        assert c.entries == sum(by_name[n].numel() for n in c.layer.parameter_names)


@pytest.mark.parametrize("name", ["convolutions", "batchnorm_cnn", "vit"])
def test_hooks_are_gone_afterwards(name: str) -> None:
    network, x = make_network(name)
    frozen = frozen_copy(network)
    layers = [c.layer for c in covered_layers(network, frozen, x)]
    layer_forms(frozen, layers, x, torch.eye(3, dtype=torch.float64))
    assert not any(module._forward_hooks for module in frozen.modules())
    torch.testing.assert_close(frozen(x), network(x))
