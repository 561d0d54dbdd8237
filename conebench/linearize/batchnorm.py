"""BatchNorm statistics estimated again, on given images."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from conebench.errors import KernelError
from conebench.networks.copies import copied


def with_recalibrated_batchnorm(
    model: nn.Module, batches: Iterable[Float[Tensor, "b ..."]]
) -> nn.Module:
    """Return a copy with BatchNorm statistics of given batches.

    Mean and (unbiased) variance of each batch, averaged over batches. Early in training the running
    statistics are stale and make the kernel almost constant.

    Args:
        model: network, which keeps its own statistics.
        batches: inputs.

    Returns:
        A copy in evaluation mode; without BatchNorm, an equal network.

    Raises:
        KernelError: The network has BatchNorm, and `batches` is empty.

    Example:
        >>> network = nn.Sequential(nn.BatchNorm2d(1))
        >>> images = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
        >>> fresh = with_recalibrated_batchnorm(network, [images])
        >>> fresh[0].running_mean, fresh[0].running_var
        (tensor([2.]), tensor([2.]))
        >>> network[0].running_mean
        tensor([0.])

    """
    fresh = copied(model).eval()
    layers = [
        m for m in fresh.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None
    ]
    if not layers:
        return fresh
    # Without momentum, BatchNorm's running statistics are the plain average over batches.
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        # Everything else stays in evaluation mode: no dropout.
        layer.train()
    seen = 0
    with torch.no_grad():
        for batch in batches:
            # A network may change its inputs in place.
            fresh(batch.clone())
            seen += 1
    if not seen:
        raise KernelError("batches: got none, expected at least one for BatchNorm's statistics")
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return fresh.eval()
