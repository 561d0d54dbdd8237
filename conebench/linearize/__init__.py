"""Linearized networks as modules, and their BatchNorm statistics."""

from conebench.linearize.batchnorm import with_recalibrated_batchnorm
from conebench.linearize.model import LinearizedModel

__all__ = ["LinearizedModel", "with_recalibrated_batchnorm"]
