"""When two gradients count as equal."""

import torch
from torch import Tensor

# Largest relative difference of gradients that count as equal.
TOLERANCES = {torch.float64: 1e-8, torch.float32: 1e-3}


def agrees(found: Tensor, expected: Tensor) -> bool:
    """Return True if gradients are equal up to rounding, and not zero."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    # Written so that NaN agrees with nothing. Zeros prove nothing.
    size, error = float(expected.norm()), float((found.detach() - expected).norm())
    return size > 0 and error <= TOLERANCES.get(expected.dtype, 1e-2) * size
