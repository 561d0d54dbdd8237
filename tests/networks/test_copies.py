"""conebench.networks.copies: copies share nothing with the original, or are refused."""

import pytest
import torch
from odd_networks import CASES

from conebench.errors import KernelError
from conebench.networks.copies import copied

# Of these two passes differ, or torch warns.
SKIPPED = {"drops", "noisy", "changes_its_weights", "checkpointed_twice", "moving_mean"}
SKIPPED |= {"changes_a_frozen_weight", "counts", "counts_data", "counts_in_array"}
# Their code holds on to the original.
REFUSED = (
    "patched_forward",
    "patched_layer",
    "hook_on_another_layer",
    "hook_with_the_parameter_itself",
    "weak_reference",
    "keeps_variable",
)


@pytest.mark.parametrize("name", sorted(CASES.keys() - SKIPPED - {*REFUSED}))
def test_a_copy_follows_its_own_parameters_alone(name: str) -> None:
    case = CASES[name]
    network, x = case.network(), case.x()
    network(x)
    fresh = copied(network)
    # The original's parameters say nothing of the copy's logits, the copy's own do.
    with torch.no_grad():
        expected = case.network()(x)
        for p in network.parameters():
            p.fill_(torch.nan)
        found = fresh(x)
    if "keeps" not in name and "shows" not in name:
        torch.testing.assert_close(found, expected)
    assert bool(found.isfinite().all())


@pytest.mark.parametrize("name", REFUSED)
def test_a_copy_that_would_use_the_original_is_refused(name: str) -> None:
    with pytest.raises(KernelError, match="the network cannot be copied: a hook, a closure"):
        copied(CASES[name].network())


def test_a_compiled_network_is_copied_without_its_compiler() -> None:
    network = CASES["table"].network()
    fresh = copied(torch.compile(network, backend="eager"))
    assert type(fresh) is type(network)
