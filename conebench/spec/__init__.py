"""Specs: their schema, and how they are read and checked. Imports no torch."""

from conebench.spec.loading import (
    CHANGED_SUFFIX,
    SMOKE_SUFFIX,
    LoadedSpec,
    find_specs,
    load_all,
    load_spec,
    load_specs,
    load_valid,
    shipped_spec,
    shipped_specs,
)
from conebench.spec.schedule import (
    constant_stretch,
    constant_stretches,
    learning_rate,
    schedule_factor,
)
from conebench.spec.schema import Spec
from conebench.spec.section import Section, content_hash
from conebench.spec.smoke import smoke_spec
from conebench.spec.yaml_text import spec_text

__all__ = [
    "CHANGED_SUFFIX",
    "SMOKE_SUFFIX",
    "LoadedSpec",
    "Section",
    "Spec",
    "constant_stretch",
    "constant_stretches",
    "content_hash",
    "find_specs",
    "learning_rate",
    "load_all",
    "load_spec",
    "load_specs",
    "load_valid",
    "schedule_factor",
    "shipped_spec",
    "shipped_specs",
    "smoke_spec",
    "spec_text",
]
