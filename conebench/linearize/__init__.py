"""Linearized networks as ordinary modules, and BatchNorm statistics for them."""

from conebench.linearize.batchnorm import with_recalibrated_batchnorm
from conebench.linearize.model import LinearizedModel

__all__ = ["LinearizedModel", "with_recalibrated_batchnorm"]
