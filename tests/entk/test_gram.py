"""conebench.entk.gram against the definition, and where float32 would fail."""

import pytest
import torch
from torch import Tensor

from conebench.entk import double_centred, gram, unit_gram


def _kernels(count: int, size: int, spread: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(size, 3 * size, generator=generator, dtype=torch.float64)
    moved = [base + spread * torch.randn(base.shape, generator=generator) for _ in range(count)]
    return torch.stack([factor @ factor.T for factor in moved])


def _gram_of(kernels: Tensor) -> Tensor:
    norms = [float(H.double().norm()) for H in kernels]
    return unit_gram(len(kernels), kernels.shape[1], lambda i, a, b: kernels[i, a:b], norms)


def _cosines(kernels: Tensor) -> Tensor:
    unit = kernels.double().flatten(1)
    unit = unit / unit.norm(dim=1, keepdim=True)
    return unit @ unit.T


@pytest.mark.parametrize("seed", range(3))
def test_gram_is_the_cosine_of_the_kernels(seed: int) -> None:
    kernels = _kernels(5, 7, 0.5, seed)
    G = _gram_of(kernels)
    torch.testing.assert_close(G, _cosines(kernels), rtol=1e-12, atol=1e-12)
    assert torch.equal(G, G.T)
    assert torch.equal(G.diagonal(), torch.ones(5, dtype=torch.float64))


def test_blocks_of_rows_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = _kernels(4, 9, 0.5, 0)
    whole = _gram_of(kernels)
    monkeypatch.setattr(gram, "ENTRIES_AT_ONCE", 4 * 9 * 2)
    torch.testing.assert_close(_gram_of(kernels), whole, rtol=1e-14, atol=1e-14)


def test_small_distances_keep_their_digits() -> None:
    kernels = _kernels(2, 200, 1e-5, 0)
    expected = 1 - float(_cosines(kernels)[0, 1])
    from_float32 = 1 - float(_gram_of(kernels.float())[0, 1])
    assert 0 < expected < 1e-9
    # 1 - <h, h'> in float32 would be lost in rounding of 1e-7.
    assert from_float32 == pytest.approx(expected, rel=1e-3, abs=1e-12)


def test_double_centring_is_projection_on_both_sides() -> None:
    H = _kernels(1, 6, 1.0, 3)[0]
    P = torch.eye(6, dtype=torch.float64) - 1 / 6
    torch.testing.assert_close(double_centred(H), P @ H @ P)
