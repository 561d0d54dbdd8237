"""The record: what one run of one spec found, with all raw data that its figures follow from."""

from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from conebench.analysis.cone import Cone
from conebench.analysis.distance import FloatArray, IntArray, uniform_part
from conebench.analysis.phases import Phases
from conebench.analysis.strength import Summary
from conebench.analysis.stretches import Stretch
from conebench.spec import Section, Spec, content_hash
from conebench.spec.arms import ArmName
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

    name: Text = Field(
        description="What the board calls the data: the dataset, or its folder, and its subset."
    )
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of all pixels and labels."
    )
    train_images: Count = Field(description="Images trained on.")
    test_images: Count = Field(description="Images that arms are tested on at their end.")
    classes: Annotated[int, Field(ge=2, le=10**6)] = Field(description="C, the number of classes.")
    channels: Count = Field(description="Color channels of an image.")
    image_size: Count = Field(description="Side in pixels.")


class ModelFacts(Part):
    """The network a run trained."""

    parameters: Count = Field(description="Trainable parameters.")


class TrainingCurve(Part):
    """Ordinary training at its checkpoints; all lists have one entry a checkpoint."""

    steps: list[Step] = Field(description="Checkpoints, in steps.")
    train_loss: list[float | None] = Field(
        description="Mean minibatch loss since the checkpoint before; null at the first."
    )
    test_loss: list[float] = Field(description="Mean over the test images used.")
    test_accuracy: list[Share] = Field(description="Share of the test images used.")
    test_images: list[Count] | None = Field(
        default=None,
        description="Test images used: a fixed part, and all at the end. Missing before schema "
        "1.2: all.",
    )

    later = frozenset({"test_images"})


class SelfCheck(Part):
    """Kernels held against the network, K u against J (J^T u) by reverse and forward mode."""

    steps: list[Step] = Field(description="Checkpoints whose kernel was checked, in steps.")
    directions: Count = Field(description="Random vectors u for each of them.")
    relative_error: list[Annotated[float, Field(ge=0)]] = Field(
        description="Largest norm of K u - J (J^T u), relative to that of J (J^T u)."
    )


class GroupTrajectory(Part):
    """The trace kernel of one group of parameters along training (`kernel.by`).

    `steps` are the checkpoints after the last one at which the kernel is zero, where it has no
    angle: all of them as a rule, none where it is zero at the end. The other lists have one entry
    a step.
    """

    name: Text = Field(description="What its parameters' names have in common, such as `layer1`.")
    parameters: Count = Field(description="Trainable parameters in the group.")
    steps: list[Step] = Field(description="Checkpoints, in steps.")
    gram: list[list[float]] = Field(description="Lower triangle of the group's G.")
    norm: list[Annotated[float, Field(gt=0)]] = Field(description="Frobenius norm of H.")
    trace: list[float] = Field(description="Trace of H.")

    def G(self) -> FloatArray:
        """The full symmetric Gram matrix, shape [t, t]."""
        return _symmetric(self.gram)


class KernelTrajectory(Part):
    """The empirical NTK H along training.

    The Gram matrix G, G[i, j] = 1 - S between checkpoints i and j, is stored as its lower triangle,
    row by row, diagonal included: row i has i + 1 entries. Other lists have one entry a checkpoint.
    """

    steps: list[Step] = Field(description="Checkpoints, in steps.")
    gram: list[list[float]] = Field(description="Lower triangle of G.")
    gram_centred: list[list[float]] = Field(
        description="Lower triangle of G of the doubly centred kernels."
    )
    norm: list[Annotated[float, Field(gt=0)]] = Field(description="Frobenius norm of H.")
    trace: list[float] = Field(description="Trace of H.")
    top_eigenvalue_share: list[float] = Field(description="Largest eigenvalue / trace.")
    label_alignment: list[float] = Field(
        description="Cosine of the centred kernel and the centred labels' kernel."
    )
    self_check: SelfCheck | None = Field(default=None, description="Missing before schema 1.1.")
    groups: list[GroupTrajectory] | None = Field(
        default=None, description="In the network's order; missing without the spec's `kernel.by`."
    )

    later = frozenset({"self_check", "groups"})

    def G(self, *, centred: bool = False) -> FloatArray:
        """The full symmetric Gram matrix, shape [t, t]; of the centred kernels if asked."""
        return _symmetric(self.gram_centred if centred else self.gram)

    def uniform(self, every: int) -> tuple[IntArray, FloatArray]:
        """Return steps [u] and G [u, u] of the checkpoints at multiples of `every` steps."""
        steps = np.array(self.steps)
        chosen = uniform_part(steps, every)
        return steps[chosen], self.G()[np.ix_(chosen, chosen)]


def _symmetric(rows: list[list[float]]) -> FloatArray:
    """The matrix whose lower triangle these rows are."""
    lower = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        lower[i, : len(row)] = row
    return lower + np.tril(lower, -1).T


class TriedRate(Part):
    """One learning rate of a grid that an arm was trained with, judged on validation images."""

    learning_rate: Annotated[float, Field(gt=0)] = Field(description="A constant.")
    diverged_at: Step | None = Field(description="Step at which training diverged, else null.")
    validation_accuracy: Share | None = Field(description="At T; null where it diverged.")
    validation_loss: float | None = Field(description="At T; null where it diverged.")


class ArmResult(Part):
    """One arm at its end, step T; switched(T*) is the switched arm whose step is the seed's T*."""

    arm: ArmName = Field(description="What was trained.")
    step: Step | None = Field(
        description="Where the arm leaves ordinary training: 0 for lazy, null for full."
    )
    status: Literal["finished", "diverged"] = Field(description="Divergence is an outcome.")
    diverged_at: Step | None = Field(description="Step at which it diverged, else null.")
    test_accuracy: Share | None = Field(description="Of all test images; null where it diverged.")
    test_loss: float | None = Field(description="Of all test images; null where it diverged.")
    learning_rate: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="A constant of the arm's own. Missing: that of the schedule, or before schema "
        "1.2.",
    )
    tried: list[TriedRate] | None = Field(
        default=None, description="The grid that the rate was chosen from; missing without one."
    )

    later = frozenset({"learning_rate", "tried"})


class GroupGeometry(Part):
    """What follows from one group's trajectory; nothing where its kernel is zero at the end."""

    name: Text = Field(description="The group.")
    phases: Phases | None = Field(description="As of the whole kernel.")
    cone: Cone | None = Field(description="As of the whole kernel.")


class ChaosResult(Part):
    """A copy perturbed at step `t0`, against ordinary training at step `t1`.

    All figures are null if, and only if, the copy diverged.
    """

    t0: Step = Field(description="Step of the perturbation.")
    t1: Count = Field(description="Step of the comparison.")
    status: Literal["finished", "diverged"] = Field(description="Divergence is an outcome.")
    diverged_at: Step | None = Field(
        default=None, description="Step at which the copy diverged, else null."
    )
    losses: list[Annotated[float, Field(ge=0)]] | None = Field(
        default=None,
        description="Test losses at evenly spaced points of the straight line from ordinary "
        "training's parameters to the copy's, both included.",
    )
    barrier: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="The most that `losses` rise above the line between their ends."
    )
    disagreement: Share | None = Field(
        default=None, description="Share of the test images that the two classify differently."
    )
    parameter_dissimilarity: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=None, description="1 - cosine of the two parameter vectors."
    )
    S: Share | None = Field(default=None, description="Distance of the two kernels.")


class SeedResult(Part):
    """Everything one seed gave: raw data first, then what follows from it."""

    seed: Seed = Field(description="The run seed.")
    training: TrainingCurve = Field(description="Raw data.")
    kernel: KernelTrajectory = Field(description="Raw data.")
    arms: list[ArmResult] = Field(description="Raw data; `full` is one of them.")
    phases: Phases = Field(description="Follows from `kernel`.")
    cone: Cone | None = Field(description="Follows from `kernel`; null without a Phase II.")
    groups: list[GroupGeometry] | None = Field(
        default=None,
        description="Follows from `kernel.groups`, one each; missing without `kernel.by`.",
    )
    stretches: list[Stretch] | None = Field(
        default=None, description="After drops of the learning rate; missing without drops."
    )
    chaos: list[ChaosResult] | None = Field(
        default=None, description="One a pair of the spec; missing where it has no chaos section."
    )

    later = frozenset({"groups", "stretches", "chaos"})


class KernelBuild(Part):
    """How the kernels were built: what could change their last bits, and only these."""

    memory_limit_bytes: Count = Field(description="What the plan had to keep to.")
    peak_bytes: Count = Field(description="As planned, beside the network's own parameters.")
    passes: Count = Field(description="Times through the network for one kernel.")
    samples_at_once: Count = Field(description="Probe images taken at a time.")


class Provenance(Part):
    """Where, when and with what a record was made; the only part that two equal runs differ in."""

    created_at: Text = Field(description="Date and time, UTC, ISO 8601.")
    wall_seconds: Annotated[float, Field(ge=0)] = Field(description="Of all stages, added up.")
    device: Literal["cpu", "cuda"] = Field(description="Kind of device.")
    device_name: Text = Field(description="As the machine names it.")
    cpu_threads: Count = Field(description="Of each process.")
    jobs: Count | None = Field(
        default=None, description="Stages side by side. Missing before schema 1.2: one."
    )
    platform: Text = Field(description="Operating system and architecture.")
    versions: dict[Text, Text] = Field(description="Of Python, conebench and its libraries.")
    git_commit: Text | None = Field(
        description="Of the checkout that conebench ran from; null outside one."
    )
    git_dirty: bool | None = Field(
        description="Whether conebench's code differed from that commit."
    )
    kernel_build: KernelBuild | None = Field(default=None, description="Missing before schema 1.1.")


class Failure(Part):
    """A stage that failed, so that its seed or its arm is missing."""

    seed: Seed = Field(description="The run seed.")
    stage: Text = Field(description="As `conebench status` names it, without the seed.")
    reason: Text = Field(description="The error, in one line.")


class Comparability(NamedTuple):
    """Facts that two records must share to be ranked together."""

    dataset: str
    kernel_outputs: str
    probe_samples: int
    batchnorm: str
    schema: str

    @property
    def label(self) -> str:
        """The group's name on the board."""
        return (
            f"{self.dataset}, kernel {self.kernel_outputs}, {self.probe_samples:,} probe images, "
            f"BatchNorm {self.batchnorm}, {self.schema}"
        )


class Record(Part):
    """One run of one spec."""

    schema_version: Annotated[str, Field(pattern=r"^\d+\.\d+$")] = Field(
        description="major.minor; a newer major is refused."
    )
    spec: Spec = Field(description="The whole spec, every default filled in.")
    spec_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of the spec."
    )
    status: Literal["complete", "partial"] = Field(
        description="`partial`: not all seeds of the spec, or a stage failed; never ranked."
    )
    data: DataFacts = Field(description="The images.")
    model: ModelFacts = Field(description="The network.")
    seeds: list[SeedResult] = Field(min_length=1, description="One entry a seed.")
    failures: list[Failure] | None = Field(
        default=None, description="Stages that failed; missing where none did."
    )
    summary: Summary = Field(description="The board's figures; follow from `seeds`.")
    provenance: Provenance = Field(description="No part of the record's id.")
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
    def comparability(self) -> Comparability:
        """The group of the board that the record belongs to."""
        kernel = self.spec.kernel
        return Comparability(
            dataset=self.spec.dataset.label,
            kernel_outputs=str(kernel.outputs),
            probe_samples=kernel.samples,
            batchnorm=kernel.batchnorm,
            schema=f"schema {self.schema_version.partition('.')[0]}",
        )
