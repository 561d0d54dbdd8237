"""Perturbed copies of a network, and their distance.

Copies share one architecture. Only trainable parameters are perturbed, compared and interpolated.
"""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Int
from torch import Tensor, nn

from conebench.networks.copies import copied


def weight_spreads(initial: nn.Module) -> dict[str, float]:
    """Return the standard deviation of each weight tensor to perturb.

    Args:
        initial: network at initialization.

    Returns:
        The standard deviation over the entries, by name, of trainable parameters of two or more
        dimensions whose entries differ: no biases, no weights of normalization layers, no tensor
        that starts as a constant.

    Example:
        >>> linear = nn.Linear(2, 1)
        >>> linear.weight.data = torch.tensor([[1.0, 3.0]])
        >>> weight_spreads(linear)
        {'weight': 1.0}

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
    """Add sigma * spread * eps to weight tensors, in place.

    eps ~ N(0, 1), entry by entry.

    Args:
        network: network to change.
        spreads: scale of each weight tensor by name, from `weight_spreads`.
        sigma: size of the perturbation.
        generator: source of eps, tensor by tensor in the order of `spreads`.

    Example:
        >>> linear = nn.Linear(2, 1).requires_grad_(False)
        >>> before = linear.weight.clone()
        >>> perturb(linear, {"weight": 0.5}, 0.1, torch.Generator().manual_seed(0))
        >>> eps = torch.randn(1, 2, generator=torch.Generator().manual_seed(0))
        >>> torch.allclose(linear.weight, before + 0.1 * 0.5 * eps)
        True

    """
    with torch.no_grad():
        for name, spread in spreads.items():
            weight = network.get_parameter(name)
            # On the CPU, so that every device sees the same.
            eps = torch.randn(weight.shape, generator=generator)
            weight.add_(eps.to(weight), alpha=sigma * spread)


def path(one: nn.Module, other: nn.Module, points: int) -> Iterator[nn.Module]:
    """Yield networks on the straight line between two.

    Their parameters are (1 - alpha) theta + alpha theta'.

    Args:
        one: network at alpha = 0, whose buffers all copies have.
        other: network at alpha = 1.
        points: number of networks, evenly spaced, at least 2.

    Yields:
        Copies; the ends have exactly the two networks' parameters.

    Example:
        >>> one, other = nn.Linear(1, 1), nn.Linear(1, 1)
        >>> one.weight.data, other.weight.data = torch.tensor([[0.0]]), torch.tensor([[1.0]])
        >>> [network.weight.item() for network in path(one, other, 3)]
        [0.0, 0.5, 1.0]

    """
    # One at a time, since a list of them would hold all in memory.
    for k in range(points):
        between = copied(one)
        with torch.no_grad():
            for a, b in _paired(between, other):
                a.lerp_(b, k / (points - 1))
        yield between


def cosine_dissimilarity(one: nn.Module, other: nn.Module) -> float:
    """Compute 1 - cos of two networks' parameters.

    Args:
        one: network with parameters theta.
        other: network with parameters theta'.

    Returns:
        1/2 || theta/||theta|| - theta'/||theta'|| ||^2, in [0, 2].

    Example:
        >>> one, other = nn.Linear(2, 1, bias=False), nn.Linear(2, 1, bias=False)
        >>> one.weight.data, other.weight.data = torch.eye(2)[:1], 3 * torch.eye(2)[1:]
        >>> cosine_dissimilarity(one, other)
        1.0

    """
    # This form keeps its digits where it is small.
    pairs = [(a.detach(), b.detach()) for a, b in _paired(one, other)]
    # Norms over all parameters as one vector.
    norm_a, norm_b = (
        sum(float(tensor.double().square().sum()) for tensor in tensors) ** 0.5
        for tensors in zip(*pairs, strict=True)
    )
    chords = (a.double() / norm_a - b.double() / norm_b for a, b in pairs)
    return 0.5 * sum(float(chord.square().sum()) for chord in chords)


def disagreement(one: Int[Tensor, " n"], other: Int[Tensor, " n"]) -> float:
    """Return the share of images for which two networks disagree.

    Args:
        one: predicted classes of the first network.
        other: predicted classes of the second.

    Returns:
        A fraction.

    Example:
        >>> disagreement(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 2, 0]))
        0.25

    """
    return int((one != other).sum()) / len(one)


def _paired(one: nn.Module, other: nn.Module) -> Iterator[tuple[nn.Parameter, nn.Parameter]]:
    """Yield pairs of trainable parameters."""
    for (_, a), (_, b) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        if a.requires_grad:
            yield a, b
