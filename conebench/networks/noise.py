"""Random numbers in the shape of a tensor, cheaper than a draw for each entry."""

from functools import lru_cache

import torch
from jaxtyping import Num
from torch import Tensor


def noise_factors(tensor: Tensor, seed: int, number: int = 0) -> tuple[Tensor, Tensor]:
    """Return factors whose product is random noise in the shape of a tensor.

    One normal number per row times one per column. To draw a number for each of millions of entries
    would take longer than a forward pass.

    Args:
        tensor: gives shape [q, ...], type and device.
        seed: of the draw.
        number: of this tensor among others, which get other numbers.

    Returns:
        Factors [q, 1, ...] and [...], the same ones each time. The first one of a vector is 1.

    """
    rows, shape = (tensor.shape[0], tensor.shape[1:]) if tensor.ndim > 1 else (1, tensor.shape)
    draw = _draw(seed, number, rows, shape.numel(), tensor.dtype, tensor.device)
    of_rows = draw[0].view(-1, *[1] * len(shape)) if tensor.ndim > 1 else draw[0][0]
    return of_rows, draw[1].view(shape)


@lru_cache(maxsize=1024)
def _draw(
    seed: int, number: int, rows: int, columns: int, dtype: torch.dtype, device: torch.device
) -> tuple[Num[Tensor, " rows"], Num[Tensor, " columns"]]:
    generator = torch.Generator().manual_seed(1009 * number + seed)
    drawn_in = torch.complex128 if dtype.is_complex else torch.float64
    # A single factor for all would make them all small by chance.
    of_rows = torch.randn(rows, generator=generator, dtype=drawn_in) if rows != 1 else torch.ones(1)
    of_columns = torch.randn(columns, generator=generator, dtype=drawn_in)
    return of_rows.to(device, dtype), of_columns.to(device, dtype)


def noise_like(tensor: Tensor, seed: int, number: int = 0) -> Tensor:
    """Return the noise of `noise_factors` itself."""
    rows, columns = noise_factors(tensor, seed, number)
    return (rows * columns).view(tensor.shape)
