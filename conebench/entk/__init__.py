"""The empirical neural tangent kernel: exact kernels, their Gram matrix, their spectrum."""

from conebench.entk.contraction import Outputs
from conebench.entk.gram import double_centred, unit_gram
from conebench.entk.kernel import as_matrix, empirical_ntk, plan_ntk
from conebench.entk.plan import KernelError, KernelPlan
from conebench.entk.statistics import KernelStatistics, kernel_statistics

__all__ = [
    "KernelError",
    "KernelPlan",
    "KernelStatistics",
    "Outputs",
    "as_matrix",
    "double_centred",
    "empirical_ntk",
    "kernel_statistics",
    "plan_ntk",
    "unit_gram",
]
