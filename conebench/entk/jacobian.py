"""Per-sample Jacobians of any parameters of any network, a slice of the parameters at a time.

The kernel is a sum over parameters, so slices add up to it: the whole Jacobian never exists.
"""

from collections.abc import Iterator
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

MAX_BACKWARD_PIXELS = 320 * 32 * 32


class Piece(NamedTuple):
    """Entries start..stop of one flattened parameter."""

    name: str
    start: int
    stop: int


def jacobian_pieces(
    model: nn.Module,
    parameters: dict[str, Tensor],
    x: Float[Tensor, "n ..."],
    basis: Float[Tensor, "r c"],
    memory_limit: int,
) -> Iterator[Float[Tensor, "n r piece"]]:
    """Jacobians of f(x_i) . basis_r in all entries of the parameters given, piece by piece.

    The model's own parameters should ask for no gradients, or autograd records them all besides.
    Pieces that exist at one time take at most half of `memory_limit` bytes, the gradients that
    they are cut from the other half (at least one sample's).

    Source: Novak et al. 2022, arXiv 2206.08720, "Jacobian contraction", sliced by parameters.
    """
    budget = max(1, memory_limit // (2 * len(basis) * len(x) * x.element_size()))
    for group in _groups(parameters, budget):
        yield from _jacobians(model, parameters, group, x, basis, memory_limit // 2)


def _groups(parameters: dict[str, Tensor], budget: int) -> Iterator[list[Piece]]:
    """All entries of all parameters, in order, in groups of at most `budget` entries."""
    group: list[Piece] = []
    room = budget
    for name, parameter in parameters.items():
        start = 0
        while start < parameter.numel():
            stop = min(parameter.numel(), start + room)
            group.append(Piece(name, start, stop))
            room -= stop - start
            start = stop
            if room == 0:
                yield group
                group, room = [], budget
    if group:
        yield group


def _jacobians(
    model: nn.Module,
    parameters: dict[str, Tensor],
    group: list[Piece],
    x: Tensor,
    basis: Float[Tensor, "r c"],
    chunk_bytes: int,
) -> list[Float[Tensor, "n r piece"]]:
    """Jacobians of all samples in the directions of the basis, one tensor a piece."""
    names = {piece.name for piece in group}
    moving = {name: parameters[name] for name in parameters if name in names}
    sample_bytes = len(basis) * sum(p.numel() for p in moving.values()) * x.element_size()
    pixels = len(basis) * x.shape[-1] * x.shape[-2]
    chunk = max(1, min(chunk_bytes // sample_bytes, MAX_BACKWARD_PIXELS // pixels))
    found = [x.new_empty((len(x), len(basis), p.stop - p.start)) for p in group]
    for start in range(0, len(x), chunk):
        part = x[start : start + chunk]
        gradients = _gradients(model, moving, part, basis)
        for piece, store in zip(group, found, strict=True):
            flat = gradients[piece.name].flatten(2)
            store[start : start + len(part)] = flat[:, :, piece.start : piece.stop]
    return found


def _gradients(
    model: nn.Module, moving: dict[str, Tensor], x: Tensor, basis: Tensor
) -> dict[str, Tensor]:
    """Per-sample gradients of f(x_i) . basis_r, each [b, r, *parameter shape]."""

    def of_sample(sample: Tensor) -> dict[str, Tensor]:
        def logits(parameters: dict[str, Tensor]) -> Tensor:
            return functional_call(model, parameters, (sample[None],))[0]  # type: ignore[no-any-return]

        pull_back = vjp(logits, moving)[1]
        return vmap(lambda direction: pull_back(direction)[0])(basis)  # type: ignore[no-any-return]

    # Fused attention cannot be batched over samples and classes.
    with sdpa_kernel(SDPBackend.MATH):
        return vmap(of_sample)(x)
