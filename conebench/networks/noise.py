"""Normal random numbers for many entries, from one short draw."""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

# A prime, so that rows of a weight do not see the same numbers.
LENGTH = 65_521


class Noise:
    """One draw of normal random numbers, repeated over a long vector.

    To draw a number for each of millions of entries would take longer than a forward pass.
    """

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        draw = torch.randn(LENGTH, generator=generator, dtype=torch.float64)
        self._draws = {(draw.device, draw.dtype): draw}

    def add(self, vector: Float[Tensor, " n"], scale: float, start: int = 0) -> None:
        """Add scale times the numbers from `start` on, in place."""
        draw, done = self._draw(vector.device, vector.dtype), 0
        while done < vector.shape[0]:
            offset = (start + done) % LENGTH
            part = vector[done : done + LENGTH - offset]
            part.add_(draw[offset : offset + part.shape[0]], alpha=scale)
            done += part.shape[0]

    def dot(self, vector: Float[Tensor, " n"], start: int = 0) -> float:
        """Return the inner product with the numbers from `start` on."""
        draw, done, product = self._draw(vector.device, vector.dtype), 0, 0.0
        while done < vector.shape[0]:
            offset = (start + done) % LENGTH
            part = vector[done : done + LENGTH - offset]
            product += float(part @ draw[offset : offset + part.shape[0]])
            done += part.shape[0]
        return product

    def like(self, tensor: Tensor) -> Tensor:
        """Return numbers in the shape of a tensor."""
        numbers = torch.zeros_like(tensor, memory_format=torch.contiguous_format)
        self.add(numbers.view(-1), 1.0)
        return numbers

    def _draw(self, device: torch.device, dtype: torch.dtype) -> Float[Tensor, " n"]:
        found = self._draws.get((device, dtype))
        if found is None:
            found = next(iter(self._draws.values())).to(device, dtype)
            self._draws[device, dtype] = found
        return found


@cache
def noise(seed: int) -> Noise:
    """Return the numbers of a seed, the same ones each time."""
    return Noise(seed)


def as_vector(tensor: Tensor) -> Float[Tensor, " n"]:
    """Return a tensor's entries, two for a complex one; a view of a contiguous tensor."""
    return (torch.view_as_real(tensor) if tensor.is_complex() else tensor).reshape(-1)
