"""Records: schema, files, and the figures that follow from the raw data. Imports no torch."""

from conebench.record.derive import choose_rate, derive_geometry, derive_summary, recompute
from conebench.record.files import read_record, record_text
from conebench.record.schema import (
    SCHEMA_VERSION,
    ArmName,
    ArmResult,
    DataFacts,
    Failure,
    KernelBuild,
    KernelTrajectory,
    ModelFacts,
    Provenance,
    Record,
    SeedResult,
    SelfCheck,
    TrainingCurve,
    TriedRate,
)

__all__ = [
    "SCHEMA_VERSION",
    "ArmName",
    "ArmResult",
    "DataFacts",
    "Failure",
    "KernelBuild",
    "KernelTrajectory",
    "ModelFacts",
    "Provenance",
    "Record",
    "SeedResult",
    "SelfCheck",
    "TrainingCurve",
    "TriedRate",
    "choose_rate",
    "derive_geometry",
    "derive_summary",
    "read_record",
    "recompute",
    "record_text",
]
