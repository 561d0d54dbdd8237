"""Layers whose rows are the samples in order."""

from collections.abc import Collection
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from conebench.networks.differences import LARGEST_DIFFERENCES, difference
from conebench.networks.functional import FrozenNetwork
from conebench.networks.noise import noise
from conebench.networks.reference import Reference

# Of the noise, relative to the size of a layer's outputs: enough to wake units that are silent.
LOUD = 3.0


def find_in_order(
    network: FrozenNetwork, reference: Reference, names: Collection[str]
) -> frozenset[str]:
    """Return the layers of which the first half of the rows belongs to the first of two samples.

    Loud noise there may not reach the logits of the second sample. (Gradients would not tell: rows
    out of order have none where a unit is silent.)
    """
    if _leaves_second(network, reference, names):
        return frozenset(names)
    return frozenset(name for name in names if _leaves_second(network, reference, [name]))


def _leaves_second(network: FrozenNetwork, reference: Reference, names: Collection[str]) -> bool:
    with torch.no_grad(), network.entered(reference.parameters) as root, ExitStack() as stack:
        for name in names:
            hook = root.get_submodule(name).register_forward_hook(_disturb)
            stack.callback(hook.remove)
        logits = root(reference.samples)
    allowed = LARGEST_DIFFERENCES.get(logits.dtype, 1e-1)
    return difference(logits[1:], reference.logits[1:]) <= allowed


def _disturb(_: nn.Module, __: object, output: Tensor) -> Tensor:
    """Add noise to the first half of the rows."""
    disturbed = output.clone()
    half = disturbed[: len(output) // 2]
    half += LOUD * (1.0 + output.abs().mean()) * noise(5).like(half)
    return disturbed
