"""The record: what one run of one spec found, with all raw data that its figures follow from."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from conebench.analysis.cone import Cone
from conebench.analysis.distance import FloatArray
from conebench.analysis.phases import Phases
from conebench.analysis.strength import Summary
from conebench.analysis.stretches import Stretch
from conebench.spec import Section, Spec, content_hash
from conebench.spec.section import Seed

SCHEMA_MAJOR = 1
SCHEMA_VERSION = f"{SCHEMA_MAJOR}.3"
# Raised whenever the figures that follow from the same raw data change.
METHOD = 2

Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(max_length=500, pattern=r"^\P{Cc}*$")]
Step = Annotated[int, Field(ge=0, le=10**9)]
Count = Annotated[int, Field(ge=1, le=10**15)]


class Part(Section):
    """Base of every part of a record: checked as the sections of a spec are.

    Fields that came `later` keep the ids of older records what they were.
    """


class DataFacts(Part):
    """The images a run used: sizes after subsetting, and the SHA-256 of pixels and labels."""

    name: Text
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    train_images: Count
    test_images: Count
    classes: Annotated[int, Field(ge=2, le=10**6)]
    channels: Count
    image_size: Count


class ModelFacts(Part):
    """The network a run trained."""

    parameters: Count


class TrainingCurve(Part):
    """Ordinary training at its checkpoints; all lists have one entry a checkpoint.

    `train_loss` is the mean minibatch loss since the checkpoint before, None at the first.
    `test_images` is how many test images accuracy and loss were measured on: a fixed subset, and
    all of them at the end.
    """

    steps: list[Step]
    train_loss: list[float | None]
    test_loss: list[float]
    test_accuracy: list[Share]
    test_images: list[Count] | None = Field(
        default=None, description="Missing before schema 1.2: all of them."
    )

    later = frozenset({"test_images"})


class SelfCheck(Part):
    """Kernels held against the network: the largest ||K u - J (J^T u)|| / ||J (J^T u)||.

    One entry a step: over `directions` random u, J^T u by reverse and J v by forward mode.
    """

    steps: list[Step]
    directions: Count
    relative_error: list[Annotated[float, Field(ge=0)]]


class GroupTrajectory(Part):
    """The trace kernel of one group of parameters along training (`kernel.by`).

    `steps` are the checkpoints after the last one at which the kernel is zero, where it has no
    angle: all of them as a rule, none where it is zero at the end. `gram` is as that of the whole,
    and the other lists have one entry a step.
    """

    name: Text
    parameters: Count
    steps: list[Step]
    gram: list[list[float]]
    norm: list[Annotated[float, Field(gt=0)]]
    trace: list[float]

    def G(self) -> FloatArray:
        """The full symmetric Gram matrix, shape [t, t]."""
        return _symmetric(self.gram)


class KernelTrajectory(Part):
    """The empirical NTK along training, t checkpoints.

    `gram` and `gram_centred` hold the lower triangle of G, row by row, diagonal included: row i
    has i + 1 entries. The other lists have one entry a checkpoint.
    """

    steps: list[Step]
    gram: list[list[float]]
    gram_centred: list[list[float]]
    norm: list[Annotated[float, Field(gt=0)]]
    trace: list[float]
    top_eigenvalue_share: list[float]
    label_alignment: list[float]
    self_check: SelfCheck | None = Field(default=None, description="Missing before schema 1.1.")
    groups: list[GroupTrajectory] | None = Field(
        default=None, description="In the network's order; None without `kernel.by`."
    )

    later = frozenset({"self_check", "groups"})

    def G(self, *, centred: bool = False) -> FloatArray:
        """The full symmetric Gram matrix, shape [t, t]; of the centred kernels if asked."""
        return _symmetric(self.gram_centred if centred else self.gram)


def _symmetric(rows: list[list[float]]) -> FloatArray:
    """The matrix whose lower triangle these rows are."""
    lower = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        lower[i, : len(row)] = row
    return lower + np.tril(lower, -1).T


ArmName = Literal["full", "lazy", "switched", "control", "probe"]


class TriedRate(Part):
    """One learning rate of a grid that an arm was trained with, judged on validation images.

    Accuracy and loss are None if, and only if, training diverged, at `diverged_at`.
    """

    learning_rate: Annotated[float, Field(gt=0)]
    diverged_at: Step | None
    validation_accuracy: Share | None
    validation_loss: float | None


class ArmResult(Part):
    """One arm at its end, step T.

    `step` is where the arm leaves ordinary training (0 for lazy, None for full); switched(T*) is
    the switched arm whose step is the seed's T*. Accuracy and loss are None if, and only if, it
    diverged, at `diverged_at`. `learning_rate` is a constant of the arm's own, and `tried` all of
    the grid that it was chosen from.
    """

    arm: ArmName
    step: Step | None
    status: Literal["finished", "diverged"]
    diverged_at: Step | None
    test_accuracy: Share | None
    test_loss: float | None
    learning_rate: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="None: that of the schedule, or before schema 1.2."
    )
    tried: list[TriedRate] | None = Field(default=None, description="None: without a grid.")

    later = frozenset({"learning_rate", "tried"})


class GroupGeometry(Part):
    """What follows from one group's trajectory; nothing where its kernel is zero at the end."""

    name: Text
    phases: Phases | None
    cone: Cone | None


class ChaosResult(Part):
    """A copy perturbed at step `t0`, against ordinary training at step `t1` (SCIENCE section 8).

    `losses` are test losses at evenly spaced points of the straight line from ordinary training's
    parameters to the copy's, both included; `barrier` follows from them. `disagreement` is a share
    of the test images, `parameter_dissimilarity` 1 - cos of the two parameter vectors, `S` the
    distance of the two kernels. All are None if, and only if, the copy diverged, at `diverged_at`.
    """

    t0: Step
    t1: Count
    status: Literal["finished", "diverged"]
    diverged_at: Step | None = None
    losses: list[Annotated[float, Field(ge=0)]] | None = None
    barrier: Annotated[float, Field(ge=0)] | None = None
    disagreement: Share | None = None
    parameter_dissimilarity: Annotated[float, Field(ge=0, le=2)] | None = None
    S: Share | None = None


class SeedResult(Part):
    """Everything one seed gave: raw data first, then what follows from it."""

    seed: Seed
    training: TrainingCurve
    kernel: KernelTrajectory
    arms: list[ArmResult]
    phases: Phases
    cone: Cone | None
    groups: list[GroupGeometry] | None = Field(
        default=None, description="One each of the kernel's groups; None without `kernel.by`."
    )
    stretches: list[Stretch] | None = Field(
        default=None, description="After drops of the learning rate; None without drops."
    )
    chaos: list[ChaosResult] | None = Field(
        default=None, description="One a pair of the spec; missing where it has no chaos section."
    )

    later = frozenset({"groups", "stretches", "chaos"})


class KernelBuild(Part):
    """How the kernels were built: what could change their last bits, and only these."""

    memory_limit_bytes: Count
    peak_bytes: Count
    passes: Count
    samples_at_once: Count


class Provenance(Part):
    """Where, when and with what a record was made; the only part that two equal runs differ in."""

    created_at: Text
    wall_seconds: Annotated[float, Field(ge=0)]
    device: Literal["cpu", "cuda"]
    device_name: Text
    cpu_threads: Count = Field(description="Of each process.")
    jobs: Count | None = Field(
        default=None, description="Stages side by side. Missing before schema 1.2: one."
    )
    platform: Text
    versions: dict[Text, Text]
    git_commit: Text | None
    git_dirty: bool | None
    kernel_build: KernelBuild | None = Field(default=None, description="Missing before schema 1.1.")


class Failure(Part):
    """A stage that failed, so that its seed or its arm is missing."""

    seed: Seed
    stage: Text
    reason: Text


class Record(Part):
    """One run of one spec."""

    schema_version: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    spec: Spec
    spec_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    status: Literal["complete", "partial"] = Field(
        description="partial: not all seeds of the spec, or a stage failed; never ranked."
    )
    data: DataFacts
    model: ModelFacts
    seeds: list[SeedResult] = Field(min_length=1)
    failures: list[Failure] | None = Field(default=None, description="None: no stage failed.")
    summary: Summary
    provenance: Provenance
    method: Count = Field(
        default=1, description="Version of the estimators of all figures. Missing before 1.3: 1."
    )

    later = frozenset({"failures", "method"})

    def dump(self) -> dict[str, Any]:
        """The record as plain JSON data."""
        return self.model_dump(mode="json")

    @property
    def hash(self) -> str:
        """SHA-256 of everything but the provenance, in hexadecimal."""
        content = self.dump()
        del content["provenance"]
        return content_hash(content)

    @property
    def id(self) -> str:
        """First 8 hexadecimal digits of the hash."""
        return self.hash[:8]

    @property
    def comparability(self) -> tuple[str, str, int, str, str]:
        """Dataset, kernel reduction, probe size, BatchNorm mode, schema major: ranked together."""
        kernel = self.spec.kernel
        return (
            self.spec.dataset.label,
            str(kernel.outputs),
            kernel.samples,
            kernel.batchnorm,
            f"schema {self.schema_version.partition('.')[0]}",
        )
