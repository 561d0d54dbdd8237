"""Scale, spectrum and label alignment of one kernel: what the distance S is blind to."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse.linalg import eigsh
from torch import Tensor

from conebench.entk.gram import double_centred


@dataclass(frozen=True)
class KernelStatistics:
    """Figures of one kernel H; `label_alignment` is that of the centred kernel."""

    norm: float
    trace: float
    top_eigenvalue_share: float
    label_alignment: float


def kernel_statistics(
    H: Float[Tensor, "n n"], labels: Int[Tensor, " m"], classes: int
) -> KernelStatistics:
    """||H||_F, tr H, lambda_max / tr H and centred alignment with the labels, in float64.

    Alignment = <P H P, P L P> / (||P H P|| ||P L P||) with L = Y Y^T from one-hot labels Y: over
    (sample, class) rows L = y y^T for a `full` kernel (Cortes et al. 2012, centred alignment).
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
    one_hot = torch.nn.functional.one_hot(labels, classes).to(H)
    Y = one_hot.flatten()[:, None] if len(H) == one_hot.numel() else one_hot
    Y = Y - Y.mean(0, keepdim=True)
    centred = double_centred(H)
    overlap = (Y * (centred @ Y)).sum()
    return float(overlap / (centred.norm() * (Y.T @ Y).norm()))
