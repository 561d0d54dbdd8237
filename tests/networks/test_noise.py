"""conebench.networks.noise: random numbers from few draws."""

import pytest
import torch

from conebench.networks.noise import noise_factors, noise_like

SHAPES = [(), (0,), (5,), (3, 2), (1, 4), (0, 2), (2, 3, 2, 2)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.complex128])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_noise_is_the_product_of_its_factors(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    tensor = torch.zeros(shape, dtype=dtype)
    found = noise_like(tensor, 0)
    assert (found.shape, found.dtype) == (shape, dtype)
    tensor.addcmul_(*noise_factors(tensor, 0))
    assert torch.equal(tensor, found)
    assert torch.equal(noise_like(tensor, 0), found)


def test_it_is_normal() -> None:
    rows, columns = noise_factors(torch.zeros(2000, 3000, dtype=torch.float64), 0)
    for draw in (rows, columns):
        assert abs(float(draw.mean())) < 0.06
        assert abs(float(draw.std()) - 1) < 0.06


def test_types_see_the_same_numbers() -> None:
    found = noise_like(torch.zeros(3, 2), 0).double()
    torch.testing.assert_close(found, noise_like(torch.zeros(3, 2, dtype=torch.float64), 0))


@pytest.mark.parametrize("shape", [(5,), (3, 2), (1, 4)])
def test_seeds_and_tensors_differ(shape: tuple[int, ...]) -> None:
    tensor = torch.zeros(shape)
    draws = [noise_like(tensor, *which) for which in ((0, 0), (1, 0), (0, 1))]
    assert not any(torch.equal(a, b) for a, b in zip(draws, draws[1:] + draws[:1], strict=True))
