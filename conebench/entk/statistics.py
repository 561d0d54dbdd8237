"""Scale, spectrum and label alignment of one kernel."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse.linalg import eigsh
from torch import Tensor

from conebench.entk.gram import double_centred


@dataclass(frozen=True)
class KernelStatistics:
    """Figures of one kernel; the alignment is that of the centred kernel."""

    norm: float
    trace: float
    top_eigenvalue_share: float
    label_alignment: float


def kernel_statistics(
    H: Float[Tensor, "n n"], labels: Int[Tensor, " m"], classes: int
) -> KernelStatistics:
    """Compute scale, spectrum and label alignment of a kernel.

    ||H||_F, tr H, lambda_max / tr H, and <P H P, P L P> / (||P H P|| ||P L P||) with L = Y Y^T from
    one-hot labels Y [n, c], P = I - 1/n, in float64. For a `full` kernel, whose rows are (sample,
    class), L = y y^T with y = Y as a vector.

    Args:
        H: kernel as a matrix, n = m or n = m c.
        labels: class of each sample.
        classes: number of classes, c.

    Returns:
        The four figures.

    Example:
        >>> H = torch.diag(torch.tensor([3.0, 1.0, 0.0]))
        >>> statistics = kernel_statistics(H, torch.tensor([0, 1, 1]), classes=2)
        >>> statistics.trace, statistics.top_eigenvalue_share
        (4.0, 0.75)

    Source: Cortes et al. 2012, JMLR 13, centred alignment.

    """
    H = H.double()
    trace = float(H.trace())
    return KernelStatistics(
        norm=float(H.norm()),
        trace=trace,
        top_eigenvalue_share=_top_eigenvalue(H) / trace,
        label_alignment=_label_alignment(H, labels, classes),
    )


def _top_eigenvalue(H: Tensor) -> float:
    matrix = H.cpu().numpy()
    # A fixed start keeps Lanczos deterministic.
    start = np.ones(len(matrix)) + 1e-3 * np.arange(len(matrix))
    found = eigsh(matrix, k=1, v0=start, return_eigenvectors=False)[0]
    # The last digits depend on where BLAS finds its arrays in memory: seen with scipy 1.12.
    return float(f"{found:.11g}")


def _label_alignment(H: Tensor, labels: Tensor, classes: int) -> float:
    one_hot = torch.nn.functional.one_hot(labels, classes).to(H)  # [m, c]
    # [m c, 1] for a `full` kernel, [m, c] for the others.
    Y = one_hot.flatten()[:, None] if len(H) == one_hot.numel() else one_hot
    Y = Y - Y.mean(0, keepdim=True)
    centred = double_centred(H)
    # <P H P, Y Y^T> = <Y, P H P Y> and ||Y Y^T|| = ||Y^T Y||: no label kernel [n, n] is formed.
    overlap = (Y * (centred @ Y)).sum()
    return float(overlap / (centred.norm() * (Y.T @ Y).norm()))
