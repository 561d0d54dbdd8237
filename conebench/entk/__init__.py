"""Exact empirical neural tangent kernels, their Gram matrix and statistics."""

from conebench.entk.contraction import Outputs
from conebench.entk.gram import double_centred, unit_gram
from conebench.entk.grouped import Grouping, group_of, grouped_ntk, plan_grouped_ntk
from conebench.entk.kernel import as_matrix, class_views, empirical_ntk, plan_ntk
from conebench.entk.memory import GraphMeter, default_memory_limit
from conebench.entk.plan import KernelPlan
from conebench.entk.proof import Proof, prove
from conebench.entk.statistics import KernelStatistics, kernel_statistics
from conebench.entk.verification import self_check
from conebench.errors import KernelError, MemoryLimitError

__all__ = [
    "GraphMeter",
    "Grouping",
    "KernelError",
    "KernelPlan",
    "KernelStatistics",
    "MemoryLimitError",
    "Outputs",
    "Proof",
    "as_matrix",
    "class_views",
    "default_memory_limit",
    "double_centred",
    "empirical_ntk",
    "group_of",
    "grouped_ntk",
    "kernel_statistics",
    "plan_grouped_ntk",
    "plan_ntk",
    "prove",
    "self_check",
    "unit_gram",
]
