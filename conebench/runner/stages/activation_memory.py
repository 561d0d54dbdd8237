"""Memory that a forward pass keeps for its backward pass."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from conebench.entk import GraphMeter
from conebench.linearize import LinearizedModel


def images_within(limit: int, linear: LinearizedModel, x: Tensor) -> int:
    """Return the largest batch whose linearized pass keeps about `limit` bytes. At least 1.

    Judged by the images x. A larger x gives a lower figure per image if it lets more BatchNorms
    be folded.
    """
    with torch.no_grad():
        # The first pass of all is checked by others, which keep more.
        linear(x[:1])
    own = (*linear.parameters(), *linear.network.tensors())
    kept = bytes_kept(linear, x, own)
    return max(1, int(limit * len(x) / max(1, kept)))


def bytes_kept(network: nn.Module, x: Tensor, own: Iterable[Tensor]) -> int:
    """Count the bytes that a forward pass keeps for the backward pass, each once.

    The tensors `own` do not count.
    """
    meter = GraphMeter(own)
    with meter:
        # While the output lives, what was kept does too, so no address is used twice.
        output = network(x)
    del output
    return meter.kept_bytes
