"""Random draws from counters (seed, purpose, index).

There is no shared stream: a step of an arm sees the same draw in any order and on any machine.
"""

import hashlib
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

Purpose = Literal[
    "init",
    "order",
    "augment",
    "dropout",
    "subset",
    "validation",
    "labels",
    "probe",
    "calibration",
    "curve",
    "chaos",
]


def counter_seed(seed: int, purpose: Purpose, index: int = 0) -> int:
    """Return the seed for one purpose at one index.

    Args:
        seed: seed of the run.
        purpose: what is drawn.
        index: step or other counter.

    Returns:
        63 bits of the SHA-256 of all three.

    Example:
        >>> counter_seed(0, "order", 1) == counter_seed(0, "order", 1)
        True
        >>> counter_seed(0, "order", 1) == counter_seed(0, "augment", 1)
        False

    """
    # A hash keeps neighboring seeds and indices unrelated. 63 bits fit a signed integer.
    digest = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def counter_generator(seed: int, purpose: Purpose, index: int = 0) -> torch.Generator:
    """Return a generator that starts from a counter's seed.

    Arguments and errors are those of `counter_seed`.

    Returns:
        A generator on the CPU, so that every device sees the same draws.

    Example:
        >>> counter_generator(0, "probe").device
        device(type='cpu')

    """
    return torch.Generator().manual_seed(counter_seed(seed, purpose, index))


def balanced_indices(
    labels: Int[Tensor, " n"], classes: int, count: int, seed: int, purpose: Purpose
) -> Int[Tensor, " m"]:
    """Draw a class-balanced subset.

    Args:
        labels: class of each image.
        classes: number of classes.
        count: size of the subset.
        seed: seed of the draw.
        purpose: what is drawn.

    Returns:
        Indices, ascending. Each class has the same number, and if one has too few images, the
        others fill its place.

    Example:
        >>> labels = torch.tensor([0, 0, 0, 1, 1, 1])
        >>> labels[balanced_indices(labels, classes=2, count=4, seed=0, purpose="probe")]
        tensor([0, 0, 1, 1])

    """
    labels = labels.cpu()
    order = torch.randperm(len(labels), generator=counter_generator(seed, purpose))  # [n]
    # Place of each image within its class, in random order.
    rank = torch.empty_like(labels)  # [n]
    for c in range(classes):
        members = order[labels[order] == c]
        rank[members] = torch.arange(len(members))
    # The first of every class, then the second of every class, and so on.
    turn = rank * classes + labels  # [n]
    return turn.argsort()[:count].sort().values
