"""Specs: what a YAML file may say, and how it is read and checked. Imports no torch."""

from conebench.spec.loading import at_line, find_specs, load_spec
from conebench.spec.schedule import (
    constant_stretch,
    constant_stretches,
    learning_rate,
    schedule_factor,
)
from conebench.spec.schema import Spec
from conebench.spec.section import Section, content_hash

__all__ = [
    "Section",
    "Spec",
    "at_line",
    "constant_stretch",
    "constant_stretches",
    "content_hash",
    "find_specs",
    "learning_rate",
    "load_spec",
    "schedule_factor",
]
