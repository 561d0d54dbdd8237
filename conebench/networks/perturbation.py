"""Two copies of a network: one perturbed, the straight line between them, how far they are apart.

The copies share one architecture. Only trainable parameters are perturbed, compared and
interpolated.
"""

import copy
from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Int
from torch import Tensor, nn


def weight_spreads(initial: nn.Module) -> dict[str, float]:
    """Standard deviation over the entries of each weight tensor that a perturbation changes.

    Those are the trainable parameters of two or more dimensions whose entries differ: no biases,
    no weights of normalization layers, no tensor that starts as a constant.
    """
    spreads = {
        name: float(p.detach().double().std(correction=0))
        for name, p in initial.named_parameters()
        if p.requires_grad and p.dim() >= 2
    }
    return {name: spread for name, spread in spreads.items() if spread > 0}


def perturb(
    network: nn.Module, spreads: Mapping[str, float], sigma: float, generator: torch.Generator
) -> None:
    """Add sigma * spread * eps to each weight tensor named, in place; eps ~ N(0, 1) by entry.

    eps is drawn on the CPU, tensor by tensor in the order of `spreads`, so that every device sees
    the same.
    """
    with torch.no_grad():
        for name, spread in spreads.items():
            weight = network.get_parameter(name)
            eps = torch.randn(weight.shape, generator=generator)
            weight.add_(eps.to(weight), alpha=sigma * spread)


def path(one: nn.Module, other: nn.Module, points: int) -> Iterator[nn.Module]:
    """Copies of `one` with parameters (1 - alpha) theta + alpha theta', alpha = 0 .. 1, evenly.

    The ends have exactly the two networks' parameters; buffers are those of `one`.
    """
    for k in range(points):
        between = copy.deepcopy(one)
        with torch.no_grad():
            for a, b in _paired(between, other):
                a.lerp_(b, k / (points - 1))
        yield between


def cosine_dissimilarity(one: nn.Module, other: nn.Module) -> float:
    """1 - cos of the two flattened parameter vectors, in [0, 2], accumulated in float64.

    As 1/2 || theta/||theta|| - theta'/||theta'|| ||^2, which keeps its digits where it is small.
    """
    pairs = [(a.detach(), b.detach()) for a, b in _paired(one, other)]
    norm_a, norm_b = (
        sum(float(tensor.double().square().sum()) for tensor in tensors) ** 0.5
        for tensors in zip(*pairs, strict=True)
    )
    chords = (a.double() / norm_a - b.double() / norm_b for a, b in pairs)
    return 0.5 * sum(float(chord.square().sum()) for chord in chords)


def disagreement(one: Int[Tensor, " n"], other: Int[Tensor, " n"]) -> float:
    """Share of images for which two networks predict different classes."""
    return int((one != other).sum()) / len(one)


def _paired(one: nn.Module, other: nn.Module) -> Iterator[tuple[nn.Parameter, nn.Parameter]]:
    for (_, a), (_, b) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        if a.requires_grad:
            yield a, b
