"""Records: their schema, files, and figures derived from raw data. Imports no torch."""

from conebench.record.derive import (
    choose_rate,
    derive_geometry,
    derive_groups,
    derive_stretches,
    derive_summary,
    recompute,
)
from conebench.record.files import read_record, record_text
from conebench.record.replication import Replication
from conebench.record.schema import (
    METHOD,
    SCHEMA_VERSION,
    ArmResult,
    ChaosResult,
    Comparability,
    DataFacts,
    Failure,
    GroupGeometry,
    GroupTrajectory,
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
from conebench.spec.arms import ArmName

__all__ = [
    "METHOD",
    "SCHEMA_VERSION",
    "ArmName",
    "ArmResult",
    "ChaosResult",
    "Comparability",
    "DataFacts",
    "Failure",
    "GroupGeometry",
    "GroupTrajectory",
    "KernelBuild",
    "KernelTrajectory",
    "ModelFacts",
    "Provenance",
    "Record",
    "Replication",
    "SeedResult",
    "SelfCheck",
    "TrainingCurve",
    "TriedRate",
    "choose_rate",
    "derive_geometry",
    "derive_groups",
    "derive_stretches",
    "derive_summary",
    "read_record",
    "recompute",
    "record_text",
]
