"""conebench.networks.noise: one draw, repeated over a long vector."""

import pytest
import torch

from conebench.networks.noise import LENGTH, noise

COUNT = 2 * LENGTH + 7


def numbers(start: int = 0) -> torch.Tensor:
    vector = torch.zeros(COUNT, dtype=torch.float64)
    noise(0).add(vector, 1.0, start)
    return vector


def test_numbers_are_normal_and_repeat() -> None:
    vector = numbers()
    assert abs(float(vector.mean())) < 0.02
    assert abs(float(vector.std()) - 1) < 0.02
    assert torch.equal(vector[:LENGTH], vector[LENGTH : 2 * LENGTH])


@pytest.mark.parametrize("start", [0, 5, LENGTH - 1, LENGTH, 3 * LENGTH + 2])
def test_they_begin_anywhere(start: int) -> None:
    expected = numbers()[:LENGTH].repeat(4)[start % LENGTH :][:COUNT]
    assert torch.equal(numbers(start), expected)


def test_the_scale_is_added() -> None:
    vector = torch.ones(COUNT)
    noise(0).add(vector, -0.5)
    torch.testing.assert_close(vector, 1 - 0.5 * numbers().float())


@pytest.mark.parametrize("start", [0, LENGTH - 3])
def test_the_inner_product(start: int) -> None:
    vector = torch.randn(COUNT, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = float(vector @ numbers(start))
    assert noise(0).dot(vector, start) == pytest.approx(expected, rel=1e-9)


def test_seeds_differ() -> None:
    assert not torch.equal(noise(0).like(torch.zeros(9)), noise(1).like(torch.zeros(9)))


def test_a_tensor_of_any_shape() -> None:
    found = noise(0).like(torch.zeros(2, 3, dtype=torch.float64).T)
    assert found.shape == (3, 2)
    assert torch.equal(found.flatten(), numbers()[:6])
