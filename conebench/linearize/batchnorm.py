"""BatchNorm statistics re-estimated on given images."""

import copy
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def with_recalibrated_batchnorm(
    model: nn.Module, batches: Iterable[Float[Tensor, "b ch h w"]]
) -> nn.Module:
    """A copy in evaluation mode whose BatchNorm statistics are those of the given inputs.

    Early running statistics are stale and make an almost constant kernel. The statistics are the
    plain average over batches of batch mean and (unbiased) batch variance. Only BatchNorm layers
    run in training mode meanwhile; the model given keeps its own statistics. Without BatchNorm
    the copy is the same network.
    """
    fresh = copy.deepcopy(model).eval()
    layers = [
        m for m in fresh.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None
    ]
    if not layers:
        return fresh
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    with torch.no_grad():
        for batch in batches:
            fresh(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return fresh.eval()
