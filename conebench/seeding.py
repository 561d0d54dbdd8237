"""Everything random, drawn from counters (seed, purpose, index), never from a shared stream.

So any step of any arm sees the same draw, in any order and on any machine.
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
    "probe",
    "calibration",
    "curve",
    "chaos",
]


def counter_seed(seed: int, purpose: Purpose, index: int = 0) -> int:
    """A 63-bit seed for one purpose at one step of one run."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def counter_generator(seed: int, purpose: Purpose, index: int = 0) -> torch.Generator:
    """A generator on the CPU that starts from the counter's seed."""
    return torch.Generator().manual_seed(counter_seed(seed, purpose, index))


def balanced_indices(
    labels: Int[Tensor, " n"], classes: int, count: int, seed: int, purpose: Purpose
) -> Int[Tensor, " m"]:
    """Indices, ascending, of `count` images drawn class by class in turn, at random in a class.

    Where a class runs out, the others fill its place.
    """
    labels = labels.cpu()
    order = torch.randperm(len(labels), generator=counter_generator(seed, purpose))
    rank = torch.empty_like(labels)
    for c in range(classes):
        members = order[labels[order] == c]
        rank[members] = torch.arange(len(members))
    turn = rank * classes + labels
    return turn.argsort()[:count].sort().values
