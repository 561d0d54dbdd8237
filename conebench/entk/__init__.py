"""The empirical neural tangent kernel: exact kernels, their Gram matrix, their spectrum."""

from conebench.entk.contraction import Outputs
from conebench.entk.gram import double_centred, unit_gram
from conebench.entk.kernel import KernelError, as_matrix, empirical_ntk
from conebench.entk.statistics import KernelStatistics, kernel_statistics

__all__ = [
    "KernelError",
    "KernelStatistics",
    "Outputs",
    "as_matrix",
    "double_centred",
    "empirical_ntk",
    "kernel_statistics",
    "unit_gram",
]
