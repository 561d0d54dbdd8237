"""conebench.entk.statistics against dense linear algebra."""

import pytest
import torch
from torch import Tensor

from conebench.entk import kernel_statistics


def _kernel(size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return factor @ factor.T


def _alignment(H: Tensor, L: Tensor) -> float:
    P = torch.eye(len(H), dtype=torch.float64) - 1 / len(H)
    Hc, Lc = P @ H @ P, P @ L @ P
    return float((Hc * Lc).sum() / (Hc.norm() * Lc.norm()))


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_figures_of_a_random_kernel(full: bool, seed: int) -> None:
    labels, classes = torch.tensor([0, 1, 2, 0, 1, 2, 2, 1]), 3
    Y = torch.nn.functional.one_hot(labels, classes).double()
    H = _kernel(24 if full else 8, seed)
    L = torch.outer(Y.flatten(), Y.flatten()) if full else Y @ Y.T
    found = kernel_statistics(H, labels, classes)
    eigenvalues = torch.linalg.eigvalsh(H)
    assert found.norm == pytest.approx(float(eigenvalues.square().sum().sqrt()), rel=1e-12)
    assert found.trace == pytest.approx(float(eigenvalues.sum()), rel=1e-12)
    share = float(eigenvalues[-1] / eigenvalues.sum())
    assert found.top_eigenvalue_share == pytest.approx(share, rel=1e-10)
    assert found.label_alignment == pytest.approx(_alignment(H, L), rel=1e-10)


def test_the_label_kernel_is_aligned_with_itself() -> None:
    labels = torch.arange(9) % 3
    Y = torch.nn.functional.one_hot(labels, 3).double()
    H = Y @ Y.T + 1e-9 * torch.eye(9, dtype=torch.float64)
    assert kernel_statistics(H, labels, 3).label_alignment == pytest.approx(1.0, abs=1e-8)
