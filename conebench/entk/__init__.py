"""The empirical neural tangent kernel: exact kernels, their Gram matrix, their spectrum."""

from conebench.entk.contraction import Outputs
from conebench.entk.gram import double_centred, unit_gram
from conebench.entk.grouped import grouped_ntk, plan_grouped_ntk
from conebench.entk.kernel import Grouping, as_matrix, empirical_ntk, plan_ntk, stage_of
from conebench.entk.memory import GraphMeter, default_memory_limit
from conebench.entk.plan import KernelError, KernelPlan, MemoryLimitError
from conebench.entk.statistics import KernelStatistics, kernel_statistics
from conebench.entk.verification import self_check

__all__ = [
    "GraphMeter",
    "Grouping",
    "KernelError",
    "KernelPlan",
    "KernelStatistics",
    "MemoryLimitError",
    "Outputs",
    "as_matrix",
    "default_memory_limit",
    "double_centred",
    "empirical_ntk",
    "grouped_ntk",
    "kernel_statistics",
    "plan_grouped_ntk",
    "plan_ntk",
    "self_check",
    "stage_of",
    "unit_gram",
]
