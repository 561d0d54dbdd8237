"""Copies of networks that share nothing with the original."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from conebench.errors import KernelError
from conebench.networks.containers import find_containers
from conebench.networks.functional import original, tensors_in
from conebench.text import first_line

COMPRESSED = {torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc}


def copied(network: nn.Module) -> nn.Module:
    """Return a copy of a network, and of a compiled one a copy of its original modules.

    Raises:
        KernelError: the copy would still use the original, through a closure or a hook.

    """
    network = original(network)
    # Activations that a pass left behind, and compressed sparse tensors, have no copies in torch.
    memo: dict[int, Any] = {
        id(tensor): tensor.detach().clone()
        for _, container in find_containers(network)
        for value in container.read().values()
        for tensor in tensors_in(value)
        if not tensor.is_leaf or (tensor.layout in COMPRESSED and type(tensor) is Tensor)
    }
    try:
        fresh = copy.deepcopy(network, memo)
    except (TypeError, RuntimeError) as error:
        # As of a lock or a generator.
        raise KernelError(f"the network cannot be copied: {first_line(error)}") from error
    reached = {id(value) for _, c in find_containers(fresh) for value in c.read().values()}
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if id(tensor) in reached:
            raise KernelError(
                "the network cannot be copied: a hook, a closure or a patched method holds on to "
                f"its {name}"
            )
    return fresh
