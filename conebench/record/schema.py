"""Schema of a record: the results of one run of one spec, with all raw data behind them."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Discriminator, Field, Tag

from conebench.analysis.phases import Phases
from conebench.analysis.strength import SeedOutcome, Summary
from conebench.analysis.stretches import Stretch
from conebench.analysis.window import WindowFigures
from conebench.record.arms import ArmResult
from conebench.record.older import OlderCone, OlderSummary
from conebench.record.part import Count, Part, Share, Step, Text
from conebench.record.trajectory import KernelTrajectory, ViewName
from conebench.spec import Spec, content_hash
from conebench.spec.schedule import constant_intervals
from conebench.spec.section import Seed

if TYPE_CHECKING:
    from conebench.site.html.standalone import Picture

SCHEMA_MAJOR, SCHEMA_MINOR = 1, 4
SCHEMA_VERSION = f"{SCHEMA_MAJOR}.{SCHEMA_MINOR}"
# Bump when the same raw data give other figures.
METHOD = 3


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


class ImportedModule(Part):
    """A module that a run imported, neither of timm nor of conebench."""

    module: Text = Field(description="Its name.")
    source: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of its source and of the user's modules that it imports, without "
        "comments, docstrings and error texts."
    )
    package: Text | None = Field(
        description="The package that it was installed from, as name==version; null if not from a "
        "package index."
    )


class ModelFacts(Part):
    """The network of a run."""

    parameters: Count = Field(description="Trainable parameters.")
    imported: list[ImportedModule] | None = Field(
        default=None,
        description="Modules that the run imported; missing for networks of timm and conebench.",
    )

    later = frozenset({"imported"})


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


class ViewWindow(Part):
    """The late window of one view."""

    view: ViewName | Literal["averaged"] = Field(
        description="Reduction of the kernel, or `averaged`: the primary view at averaged weights."
    )
    figures: WindowFigures = Field(description="Figures of the late window.")


class GroupGeometry(Part):
    """Phases and late window of one group; null if its kernel is zero at the end."""

    name: Text = Field(description="The group.")
    phases: Phases | None = Field(description="As for the whole kernel.")
    window: WindowFigures | None = Field(
        default=None, description="As for the whole kernel. Missing before schema 1.4."
    )
    cone: OlderCone | None = Field(default=None, description="Only before schema 1.4.")

    later = frozenset({"window"})
    former = frozenset({"cone"})


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
    phases: Phases = Field(description="Follow from the primary view of `kernel`.")
    windows: list[ViewWindow] | None = Field(
        default=None,
        description="Follow from `kernel`, one per view, the primary one first. Missing before "
        "schema 1.4.",
    )
    T_fit: Step | None = Field(
        default=None,
        description="First checkpoint with a training loss below 10 % of the test loss at step 0; "
        "missing without one, and before schema 1.4.",
    )
    cone: OlderCone | None = Field(default=None, description="Only before schema 1.4.")
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

    later = frozenset({"windows", "T_fit", "groups", "stretches", "chaos"})
    former = frozenset({"cone"})

    @property
    def outcome(self) -> SeedOutcome:
        """The phases that were found, or that training diverged."""
        full = next((arm for arm in self.arms if arm.arm == "full"), None)
        return "diverged" if full and full.status == "diverged" else self.phases.outcome

    @property
    def window(self) -> WindowFigures:
        """The late window of the primary view. A ValueError if it was not derived."""
        if not self.windows:
            raise ValueError("the late window is not derived: recompute the record first")
        return self.windows[0].figures


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
    cuda_graphs: Literal[True] | None = Field(
        default=None, description="True if training steps were recorded as CUDA graphs."
    )
    kernel_build: KernelBuild | None = Field(default=None, description="Missing before schema 1.1.")

    later = frozenset({"codes", "cuda_graphs"})


class Failure(Part):
    """A failed stage, whose seed or arm is missing."""

    seed: Seed = Field(description="The run seed.")
    stage: Text = Field(description="Its name in `conebench status`, without the seed.")
    reason: Text = Field(description="The error, in one line.")


def _summary_kind(value: Any) -> str:
    older = isinstance(value, OlderSummary) or (isinstance(value, dict) and "R" in value)
    return "(older method)" if older else "(this method)"


AnySummary = Annotated[
    Annotated[Summary, Tag("(this method)")] | Annotated[OlderSummary, Tag("(older method)")],
    Discriminator(_summary_kind),
]


class Comparability(NamedTuple):
    """Facts that two records must share to be ranked together."""

    dataset: str
    view: ViewName
    probe_samples: int
    batchnorm: str
    window: float
    intervals: int
    schema: str

    @property
    def label(self) -> str:
        """The group's name on the board."""
        return (
            f"{self.dataset}, {self.view} view, {self.probe_samples:,} probe images, "
            f"BatchNorm {self.batchnorm}, window from {self.window:g}, {self.intervals} intervals, "
            f"{self.schema}"
        )


class Record(Part):
    """One run of one spec."""

    schema_version: Annotated[str, Field(pattern=r"^\d+\.\d+$")] = Field(
        description="major.minor; a reader refuses a newer major."
    )
    spec: Spec = Field(
        description="The spec with its defaults. Fields that were added later are missing where "
        "they have theirs, so that hashes do not change."
    )
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
    summary: AnySummary = Field(description="The figures on the board; they follow from `seeds`.")
    provenance: Provenance = Field(description="Not part of the record's id.")
    method: Count = Field(
        default=1, description="Version of the estimators of all figures. Missing before 1.3: 1."
    )

    later = frozenset({"failures", "method"})

    def __repr__(self) -> str:
        # All fields would fill a notebook.
        seeds = f"{len(self.seeds)} seed{'' if len(self.seeds) == 1 else 's'}"
        return f"<Record {self.id} of {self.spec.name}: {self.status}, {seeds}>"

    __str__ = __repr__

    def plot(self, name: str) -> "Picture":
        """Return a plot of its page, such as "path", which a notebook shows.

        Raises:
            KeyError: The record has no such plot; the message names those it has.

        """
        # The one import of a higher layer, and only in a notebook.
        from conebench.site.record_page.panels import plot

        return plot(self, name)

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
    def minor(self) -> int:
        """Minor version of its schema."""
        return int(self.schema_version.partition(".")[2])

    @property
    def figures(self) -> Summary:
        """The summary, if it is of this method. A TypeError else."""
        if not isinstance(self.summary, Summary):
            raise TypeError("the summary is of an older method: recompute the record first")
        return self.summary

    @property
    def view(self) -> ViewName:
        """Name of the primary view."""
        return "trace" if self.seeds[0].kernel.views else self.spec.kernel.outputs or "full"

    @property
    def own_modules(self) -> list[str]:
        """Names of imported modules that are not of the package that the spec pins."""
        pinned, imported = self.spec.model.package, self.model.imported or []
        return [m.module for m in imported if pinned is None or m.package != pinned]

    @property
    def comparability(self) -> Comparability:
        """The group of the board that the record belongs to."""
        kernel = self.spec.kernel
        return Comparability(
            dataset=self.spec.dataset.shown_name,
            view=self.view,
            probe_samples=kernel.samples,
            batchnorm=kernel.batchnorm,
            window=kernel.window,
            intervals=constant_intervals(self.spec),
            schema=f"schema {self.schema_version.partition('.')[0]}",
        )
