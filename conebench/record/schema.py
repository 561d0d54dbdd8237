"""Schema of a record: the results of one run of one spec, with all raw data behind them."""

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
from conebench.spec.section import NO_CONTROL_CHARACTER, Seed

SCHEMA_MAJOR = 1
SCHEMA_VERSION = f"{SCHEMA_MAJOR}.3"
# Bump when the same raw data give other figures.
METHOD = 2

Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(max_length=500, pattern=NO_CONTROL_CHARACTER)]
Step = Annotated[int, Field(ge=0, le=10**9)]
Count = Annotated[int, Field(ge=1, le=10**15)]


class Part(Section):
    """Base of every part of a record, checked like a section of a spec."""


class DataFacts(Part):
    """The images of a run, after subsetting."""

    name: Text = Field(
        description="The data on the board: the dataset or its folder, and the subset."
    )
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of all pixels and labels."
    )
    train_images: Count = Field(description="Images trained on.")
    test_images: Count = Field(description="Images that arms are tested on at the end.")
    classes: Annotated[int, Field(ge=2, le=10**6)] = Field(description="C, the number of classes.")
    channels: Count = Field(description="Color channels of an image.")
    image_size: Count = Field(description="Side in pixels.")


class ModelFacts(Part):
    """The network of a run."""

    parameters: Count = Field(description="Trainable parameters.")


class TrainingCurve(Part):
    """Ordinary training at its checkpoints; each list has one entry per checkpoint."""

    steps: list[Step] = Field(description="Checkpoints, in steps.")
    train_loss: list[float | None] = Field(
        description="Mean minibatch loss since the previous checkpoint; null at the first."
    )
    test_loss: list[float] = Field(description="Mean over the test images used.")
    test_accuracy: list[Share] = Field(description="Share of the test images used.")
    test_images: list[Count] | None = Field(
        default=None,
        description="Test images used: a fixed part, but all at the end. Missing before schema "
        "1.2, when all were used.",
    )

    later = frozenset({"test_images"})


class SelfCheck(Part):
    """Kernels compared with the network: K u against J (J^T u), from autograd."""

    steps: list[Step] = Field(description="Checkpoints with a checked kernel, in steps.")
    directions: Count = Field(description="Random vectors u per checkpoint.")
    relative_error: list[Annotated[float, Field(ge=0)]] = Field(
        description="Largest norm of K u - J (J^T u), relative to that of J (J^T u)."
    )


class GroupTrajectory(Part):
    """The trace kernel of one group of parameters along training (`kernel.by`).

    A kernel of zero has no angle, so `steps` are the checkpoints after the last zero kernel:
    usually all of them, none if it is zero at the end. Other lists have one entry per step.
    """

    name: Text = Field(description="Common part of the parameters' names, such as `layer1`.")
    parameters: Count = Field(description="Trainable parameters in the group.")
    steps: list[Step] = Field(description="Checkpoints, in steps.")
    gram: list[list[float]] = Field(description="Lower triangle of the group's G.")
    norm: list[Annotated[float, Field(gt=0)]] = Field(description="Frobenius norm of H.")
    trace: list[float] = Field(description="Trace of H.")

    def G(self) -> FloatArray:
        """Return the full symmetric Gram matrix, [t, t]."""
        return _symmetric(self.gram)


class KernelTrajectory(Part):
    """The empirical NTK H along training.

    The Gram matrix G, with G[i, j] = 1 - S between checkpoints i and j, is stored as its lower
    triangle: row i has i + 1 entries. Other lists have one entry per checkpoint.
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
        description="Cosine between the centred kernel and the centred kernel of the labels."
    )
    self_check: SelfCheck | None = Field(default=None, description="Missing before schema 1.1.")
    groups: list[GroupTrajectory] | None = Field(
        default=None, description="In the network's order; missing without `kernel.by` in the spec."
    )

    later = frozenset({"self_check", "groups"})

    def G(self, *, centred: bool = False) -> FloatArray:
        """Return the full symmetric Gram matrix, [t, t], of the plain or centred kernels."""
        return _symmetric(self.gram_centred if centred else self.gram)

    def uniform(self, every: int) -> tuple[IntArray, FloatArray]:
        """Return steps [u] and G [u, u] of the checkpoints at multiples of `every` steps."""
        steps = np.array(self.steps)
        chosen = uniform_part(steps, every)
        return steps[chosen], self.G()[np.ix_(chosen, chosen)]


def _symmetric(rows: list[list[float]]) -> FloatArray:
    """Return the symmetric matrix with these rows as its lower triangle."""
    lower = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        lower[i, : len(row)] = row
    return lower + np.tril(lower, -1).T


class TriedRate(Part):
    """One learning rate of a list, judged on validation images."""

    learning_rate: Annotated[float, Field(gt=0)] = Field(description="Constant learning rate.")
    diverged_at: Step | None = Field(description="Step of the divergence, else null.")
    validation_accuracy: Share | None = Field(description="At T; null if training diverged.")
    validation_loss: float | None = Field(description="At T; null if training diverged.")


class ArmResult(Part):
    """One arm at its end, step T; switched(T*) is the switched arm that starts at the seed's T*."""

    arm: ArmName = Field(description="Kind of arm.")
    step: Step | None = Field(
        description="Step at which the arm leaves ordinary training: 0 for lazy, null for full."
    )
    status: Literal["finished", "diverged"] = Field(description="A diverged run is a result too.")
    diverged_at: Step | None = Field(description="Step of the divergence, else null.")
    test_accuracy: Share | None = Field(description="Over all test images; null if it diverged.")
    test_loss: float | None = Field(description="Over all test images; null if it diverged.")
    learning_rate: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="Constant rate of the arm. Missing if it follows the schedule, and before "
        "schema 1.2.",
    )
    tried: list[TriedRate] | None = Field(
        default=None, description="The rates it was chosen from; missing without a list."
    )

    later = frozenset({"learning_rate", "tried"})


class GroupGeometry(Part):
    """Phases and cone of one group; both null if its kernel is zero at the end."""

    name: Text = Field(description="The group.")
    phases: Phases | None = Field(description="As for the whole kernel.")
    cone: Cone | None = Field(description="As for the whole kernel.")


class ChaosResult(Part):
    """A copy perturbed at step `t0`, compared with ordinary training at step `t1`.

    All figures are null if, and only if, the copy diverged.
    """

    t0: Step = Field(description="Step of the perturbation.")
    t1: Count = Field(description="Step of the comparison.")
    status: Literal["finished", "diverged"] = Field(description="A diverged run is a result too.")
    diverged_at: Step | None = Field(default=None, description="Step of the divergence, else null.")
    losses: list[Annotated[float, Field(ge=0)]] | None = Field(
        default=None,
        description="Test losses at evenly spaced points of the straight line from the parameters "
        "of ordinary training to the copy's, including both ends.",
    )
    barrier: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Largest rise of `losses` above the line between their ends."
    )
    disagreement: Share | None = Field(
        default=None, description="Share of test images that the two classify differently."
    )
    parameter_dissimilarity: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=None, description="1 - cosine of the two parameter vectors."
    )
    S: Share | None = Field(default=None, description="Distance between the two kernels.")


class SeedResult(Part):
    """Results of one seed: raw data first, then what follows from it."""

    seed: Seed = Field(description="The run seed.")
    training: TrainingCurve = Field(description="Raw data.")
    kernel: KernelTrajectory = Field(description="Raw data.")
    arms: list[ArmResult] = Field(description="Raw data; `full` is one of them.")
    phases: Phases = Field(description="Follows from `kernel`.")
    cone: Cone | None = Field(description="Follows from `kernel`; null without a Phase II.")
    groups: list[GroupGeometry] | None = Field(
        default=None,
        description="Follow from `kernel.groups`, one per group; missing without `kernel.by`.",
    )
    stretches: list[Stretch] | None = Field(
        default=None, description="Cones after drops of the learning rate; missing without drops."
    )
    chaos: list[ChaosResult] | None = Field(
        default=None, description="One per pair of the spec; missing without a chaos section."
    )

    later = frozenset({"groups", "stretches", "chaos"})


class KernelBuild(Part):
    """How the kernels were built: choices that can change only their last bits."""

    memory_limit_bytes: Count = Field(description="Memory limit of the plan.")
    peak_bytes: Count = Field(description="Planned peak, without the network's parameters.")
    passes: Count = Field(description="Passes through the network per kernel.")
    samples_at_once: Count = Field(description="Probe images per pass.")


class CodeFacts(Part):
    """The code that stages of a run were computed by."""

    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of the modules that can change a result, without comments, docstrings "
        "and error texts."
    )
    git_commit: Text | None = Field(description="Commit; null outside a checkout.")
    git_dirty: bool | None = Field(description="True if the code differed from that commit.")


class Provenance(Part):
    """When, where and with what a record was made; only this differs between equal runs."""

    created_at: Text = Field(description="Date and time, UTC, ISO 8601.")
    wall_seconds: Annotated[float, Field(ge=0)] = Field(description="Sum over all stages.")
    device: Literal["cpu", "cuda"] = Field(description="Kind of device.")
    device_name: Text = Field(description="Name of the processor or GPU.")
    cpu_threads: Count = Field(description="Threads per process.")
    jobs: Count | None = Field(
        default=None, description="Stages run in parallel. Missing before schema 1.2: one."
    )
    platform: Text = Field(description="Operating system and architecture.")
    versions: dict[Text, Text] = Field(description="Python, conebench and its libraries.")
    git_commit: Text | None = Field(
        description="Commit of the checkout that conebench ran from; null outside a checkout."
    )
    git_dirty: bool | None = Field(
        description="True if conebench's code differed from its commit in any stage."
    )
    codes: list[CodeFacts | None] | None = Field(
        default=None,
        description="The code of the stages, each once; null for stages of an older run folder, "
        "which does not name it. Missing in older records.",
    )
    kernel_build: KernelBuild | None = Field(default=None, description="Missing before schema 1.1.")

    later = frozenset({"codes"})


class Failure(Part):
    """A failed stage, whose seed or arm is missing."""

    seed: Seed = Field(description="The run seed.")
    stage: Text = Field(description="Its name in `conebench status`, without the seed.")
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
        description="major.minor; a reader refuses a newer major."
    )
    spec: Spec = Field(description="The whole spec, with every default filled in.")
    spec_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of the spec."
    )
    status: Literal["complete", "partial"] = Field(
        description="`partial`: a seed is missing or a stage failed; never ranked."
    )
    data: DataFacts = Field(description="The images.")
    model: ModelFacts = Field(description="The network.")
    seeds: list[SeedResult] = Field(min_length=1, description="One entry per seed.")
    failures: list[Failure] | None = Field(
        default=None, description="Stages that failed; missing if none did."
    )
    summary: Summary = Field(description="The figures on the board; they follow from `seeds`.")
    provenance: Provenance = Field(description="Not part of the record's id.")
    method: Count = Field(
        default=1, description="Version of the estimators of all figures. Missing before 1.3: 1."
    )

    later = frozenset({"failures", "method"})

    def dump(self) -> dict[str, Any]:
        """Return the record as plain JSON data."""
        return self.model_dump(mode="json")

    @property
    def hash(self) -> str:
        """SHA-256 of everything except the provenance, in hexadecimal."""
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
