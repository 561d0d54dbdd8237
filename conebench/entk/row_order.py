"""Layers whose rows are the samples in order."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Float
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
    """Return the layers whose second third of the rows belongs to the second of three samples.

    Loud noise in the other rows may not reach the logits of that sample. (Gradients would not tell:
    rows out of order have none where a unit is silent.)
    """
    if not names or _leaves_second(network, reference, names):
        return frozenset(names)
    return frozenset(name for name in names if _leaves_second(network, reference, [name]))


def between_others(reference: Reference) -> Float[Tensor, "3 ..."]:
    """Return the reference's second sample between two others."""
    return reference.samples[[0, 1, 0]]


def disturb_others(rows: Float[Tensor, "m ..."]) -> None:
    """Add noise to the first and the last third of contiguous rows, in place.

    Once with either sign, so that no unit is silent in both.
    """
    third = len(rows) // 3
    numbers = noise(5).like(rows[:third]).mul_(LOUD * (1.0 + rows.detach().abs().mean()))
    rows[:third] += numbers
    rows[len(rows) - third :] -= numbers


@contextmanager
def disturbing(network: nn.Module, names: Collection[str]) -> Iterator[None]:
    """Disturb the outputs of these layers meanwhile."""
    with ExitStack() as stack:
        for name in names:
            hook = network.get_submodule(name).register_forward_hook(_disturb)
            stack.callback(hook.remove)
        yield


def _leaves_second(network: FrozenNetwork, reference: Reference, names: Collection[str]) -> bool:
    with torch.no_grad(), network.entered(reference.parameters) as root, disturbing(root, names):
        logits = root(between_others(reference))
    allowed = LARGEST_DIFFERENCES.get(logits.dtype, 1e-1)
    return difference(logits[1:2], reference.logits[1:]) <= allowed


def _disturb(_: nn.Module, __: object, output: Tensor) -> Tensor:
    disturbed = output.clone(memory_format=torch.contiguous_format)
    disturb_others(disturbed)
    return disturbed
