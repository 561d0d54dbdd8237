"""Logits of the same inputs in pass after pass."""

import torch
from jaxtyping import Float
from torch import Tensor

from conebench.entk.errors import KernelError
from conebench.entk.plan import Request
from conebench.networks.differences import LARGEST_DIFFERENCES, difference

# The fewest samples in a chunk.
FEWEST = 2


class Logits:
    """Logits of a kernel's inputs as the first passes gave them.

    Chunks differ from pass to pass and with the memory limit. If logits depend on the chunk, so
    does the kernel. The ends of the inputs come first, in a small chunk of their own.
    """

    def __init__(self, request: Request) -> None:
        self._known: dict[int, Tensor] = {}
        if len(request.x) > FEWEST:
            ends = [0, len(request.x) - 1]
            with torch.no_grad():
                self._known = dict(zip(ends, request.network(request.x[ends]), strict=True))

    def check(self, rows: slice, logits: Float[Tensor, "b c"]) -> None:
        """Compare the logits of a chunk with those known, and keep the others.

        Raises:
            KernelError: they differ by more than rounding.

        """
        found = dict(zip(range(rows.start, rows.stop), logits.detach(), strict=False))
        seen = found.keys() & self._known.keys()
        if seen:
            ours = torch.stack([found[row] for row in seen])
            theirs = torch.stack([self._known[row] for row in seen])
            apart = difference(ours, theirs)
            if apart > LARGEST_DIFFERENCES.get(logits.dtype, 1e-1):
                raise KernelError(
                    f"the same inputs give logits that are {apart:.2g} (relative) apart in two "
                    "passes: they depend on the other samples of their batch"
                )
        self._known = {**found, **self._known}
