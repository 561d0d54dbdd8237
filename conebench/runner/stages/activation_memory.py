"""Memory that a forward pass keeps for its backward pass."""

from torch import Tensor, nn

from conebench.entk import GraphMeter
from conebench.linearize import LinearizedModel


def images_within(limit: int, linear: LinearizedModel, x: Tensor) -> int:
    """Of how many images a linearized pass keeps about `limit` bytes, at least one.

    Judged by the images x. More of them keep less each, where more BatchNorms are then folded.
    """
    kept = bytes_kept(linear, x, nn.ModuleList([linear, linear.network]))
    return max(1, int(limit * len(x) / max(1, kept)))


def bytes_kept(network: nn.Module, x: Tensor, owner: nn.Module | None = None) -> int:
    """Bytes that a forward pass keeps for the backward pass, each once.

    Parameters and buffers of `owner` are left out, of the network itself where none is given.
    """
    meter = GraphMeter(owner or network)
    with meter:
        # While the output lives, so does what was kept: no address is used twice.
        output = network.eval()(x)
    del output
    return meter.kept_bytes
