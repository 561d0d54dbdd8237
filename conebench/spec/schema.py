"""Schema of a spec, one class per section. Every default is set here and nowhere else."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from conebench.spec.datasets import Dataset, batches_per_epoch
from conebench.spec.optimizers import Optimizer
from conebench.spec.section import (
    TITLE,
    FiniteJson,
    Fraction,
    Legible,
    Name,
    PositiveFloat,
    PositiveInt,
    Section,
    Seed,
    StepIndex,
    content_hash,
)

BatchNormMode = Literal["recalibrated", "eval"]
Loss = Literal["cross-entropy", "mse"]


class Model(Section):
    """The network to train."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")] = Field(
        description="timm's name of a classification model."
    )
    kwargs: dict[Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")], FiniteJson] = Field(
        default={}, description="Keyword arguments for timm's create_model."
    )
    pretrained: bool = Field(default=False, description="Start from timm's pretrained weights.")
    package: (
        Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}==[0-9][A-Za-z0-9.+!]{0,31}$")]
        | None
    ) = Field(
        default=None,
        description="Package of PyPI that registers the network, as name==version; default: none, "
        "the network is timm's or conebench's.",
    )
    output_scale: PositiveFloat | None = Field(
        default=None,
        description="a: train a (f(x; theta) - f(x; theta_0)), lazier for larger a; default: f.",
    )

    later = frozenset({"package", "output_scale"})


class Schedule(Section):
    """Factor on the learning rate as a function of the step."""

    name: Literal["constant", "multistep", "cosine"] = Field(
        default="constant",
        description="The late window and T* need a stretch of constant learning rate.",
    )
    warmup_steps: Annotated[int, Field(ge=0, le=10**9)] = Field(
        default=0, description="Rise linearly from 0 over this many steps first."
    )
    milestones: tuple[Fraction, ...] = Field(
        default=(), description="multistep only: drop at these fractions of the run."
    )
    factor: Fraction = Field(default=0.1, description="multistep only: factor at each drop.")


class Training(Section):
    """Ordinary training, for a number of steps or epochs."""

    steps: PositiveInt | None = Field(default=None, description="T; give steps or epochs.")
    epochs: PositiveInt | None = Field(
        default=None, description="T in passes through the training images; give steps or epochs."
    )
    batch_size: PositiveInt = Field(description="Images per step.")
    last_batch: Literal["dropped", "kept"] = Field(
        default="dropped", description="The last batch of an epoch, if it is shorter."
    )
    optimizer: Optimizer
    schedule: Schedule = Schedule()
    loss: Loss = Field(
        default="cross-entropy", description="mse: mean over images and classes, one-hot targets."
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="Share of each target spread over all classes; cross-entropy only."
    )
    clip_gradients: PositiveFloat | None = Field(
        default=None, description="Largest norm of all gradients together; default: no clipping."
    )

    later = frozenset({"last_batch", "label_smoothing", "clip_gradients"})


LearningRateGrid = Annotated[tuple[PositiveFloat, ...], Field(min_length=2, max_length=20)]


class Linearization(Section):
    """How linear arms are made and trained (docs/method.md, Arms)."""

    point: Literal["init", "pretrained"] | StepIndex = Field(
        default="init", description="Where the `lazy` arm is linearized."
    )
    batchnorm: BatchNormMode = Field(
        default="recalibrated",
        description="Statistics frozen at the switch: re-estimated there, or the running ones.",
    )
    intercept: Literal["kept", "centred"] = Field(
        default="kept", description="`centred` drops f(x; theta_s) and keeps only J w."
    )
    optimizer_state: Literal["reset", "carry"] = Field(
        default="reset", description="Momentum at the switch: zero, or that of ordinary training."
    )
    learning_rate: Literal["inherit"] | PositiveFloat | LearningRateGrid = Field(
        default="inherit",
        description="The schedule of ordinary training, a constant, or a list of constants: each "
        "arm keeps the one with the best validation accuracy.",
    )
    weight_decay: Literal["zero-origin", "switch-point", "none"] = Field(
        default="zero-origin", description="Toward 0, toward theta_s, or none."
    )
    augmentation: Literal["inherit", "none"] = Field(
        default="inherit", description="As in ordinary training, or none."
    )
    loss: Literal["inherit"] | Loss = Field(
        default="inherit", description="As in ordinary training, or another."
    )


class Switching(Section):
    """Steps at which training switches to the linearized model."""

    steps: tuple[StepIndex, ...] = Field(
        default=(), max_length=100, description="Checkpoints before the end."
    )
    add_t_star: bool = Field(default=True, description="Also switch at the measured T*.")


class CheckpointGrid(Section):
    """Steps at which the kernel is measured: 0, multiples of `every`, and `extra`."""

    every: PositiveInt = Field(
        description="Steps between kernels of the uniform grid, which gives the late window and T*."
    )
    extra: tuple[StepIndex, ...] = Field(
        default=(), max_length=100, description="Further steps, for example early in training."
    )


class Kernel(Section):
    """How the empirical NTK is measured (docs/method.md, Kernel)."""

    samples: int = Field(ge=1, le=20_000, description="Probe images, class-balanced.")
    probe_seed: Seed = Field(default=0, description="Draws the probe set, for all run seeds.")
    outputs: Literal["full", "trace", "sum"] | None = Field(
        default=None,
        description="Over classes; default: full up to 10, which has the trace and sum views too, "
        "else trace. imagefolder and hf need it.",
    )
    batchnorm: BatchNormMode = Field(
        default="eval",
        description="Statistics of the network at each checkpoint: its running ones (`eval`), or "
        "re-estimated there.",
    )
    calibration_samples: int = Field(
        default=512,
        ge=2,
        le=10**6,
        description="Training images used to re-estimate BatchNorm statistics.",
    )
    dtype: Literal["float32", "float64"] = Field(
        default="float32", description="Precision of the kernel; S and G are always float64."
    )
    by: Literal["stage"] | None = Field(
        default=None,
        description="Also measure the trace kernel, and so the cone, of each stage of the network.",
    )
    window: Fraction = Field(
        default=0.3,
        description="Share of the constant-learning-rate stretch before the late window, whose "
        "first checkpoint is w.",
    )
    averaged: bool = Field(
        default=False,
        description="Also measure the primary view at running averages of the weights, one per "
        "interval of the uniform grid.",
    )
    checkpoints: CheckpointGrid

    later = frozenset({"by", "window", "averaged"})


StepPair = tuple[Annotated[int, Field(ge=0, le=10**9)], StepIndex]


class Chaos(Section):
    """Perturbed copies of a run, compared with it later (docs/method.md, Chaos probe)."""

    pairs: tuple[StepPair, ...] = Field(
        min_length=1,
        max_length=100,
        description="[t0, t1]: perturb a copy at t0 and compare it at t1, both checkpoints.",
    )
    sigma: PositiveFloat = Field(
        default=0.001,
        description="Size of the perturbation of each weight tensor, in units of the tensor's "
        "standard deviation at initialization.",
    )
    points: int = Field(
        default=11,
        ge=3,
        le=101,
        description="Losses along the straight line between the copies, including both ends.",
    )


class Spec(Section):
    """A benchmark: everything that determines its numbers."""

    name: Name = Field(description="The file's name without .yaml, in lower case.")
    title: Annotated[str, Field(max_length=120, pattern=TITLE), Legible] = Field(
        description="Title on the board, up to 120 characters."
    )
    model: Model
    dataset: Dataset
    training: Training
    linearization: Linearization = Linearization()
    switching: Switching = Switching()
    kernel: Kernel
    chaos: Chaos | None = Field(default=None, description="The chaos probe; off by default.")
    seeds: tuple[Seed, ...] = Field(
        min_length=1, max_length=100, description="One run per seed; intervals need two or more."
    )

    later = frozenset({"chaos"})

    def resolved(self) -> Self:
        """Return the spec with the defaults that depend on the dataset filled in."""
        facts = self.dataset.facts
        steps = self.training.steps
        if steps is None and self.training.epochs and self.dataset.train_images:
            steps = self.training.epochs * batches_per_epoch(
                self.dataset.train_images,
                self.training.batch_size,
                keep_last=self.training.last_batch == "kept",
            )
        outputs = self.kernel.outputs
        if outputs is None and facts.classes is not None:
            outputs = "full" if facts.classes <= 10 else "trace"
        return self.model_copy(
            update={
                "dataset": self.dataset.model_copy(
                    update={"image_size": self.dataset.image_size or facts.image_size}
                ),
                "training": self.training.model_copy(update={"steps": steps}),
                "kernel": self.kernel.model_copy(update={"outputs": outputs}),
            }
        )

    @property
    def total_steps(self) -> int:
        """T, the number of training steps of a resolved spec."""
        if self.training.steps is None:
            raise ValueError("total_steps needs a resolved spec")
        return self.training.steps

    @property
    def checkpoint_steps(self) -> tuple[int, ...]:
        """All steps at which the kernel is measured, ascending, including 0 and T."""
        uniform = range(0, self.total_steps + 1, self.kernel.checkpoints.every)
        return tuple(sorted({*uniform, *self.kernel.checkpoints.extra}))

    def dump(self) -> dict[str, Any]:
        """Return the spec as plain JSON data."""
        return self.model_dump(mode="json")

    @property
    def hash(self) -> str:
        """SHA-256 of the spec's canonical JSON, in hexadecimal."""
        return content_hash(self.dump())
