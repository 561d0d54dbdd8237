"""Schema of a spec, one class per section. Every default is set here and nowhere else."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from conebench.spec.datasets import DATASETS, DatasetFacts, batches_per_epoch
from conebench.spec.optimizers import Optimizer
from conebench.spec.section import (
    TITLE,
    FiniteJson,
    FolderName,
    Fraction,
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
    output_scale: PositiveFloat | None = Field(
        default=None,
        description="a: train a (f(x; theta) - f(x; theta_0)), lazier for larger a; default: f.",
    )

    later = frozenset({"output_scale"})


class Augmentation(Section):
    """Random changes of each training image, drawn at every step."""

    flip: bool = Field(default=False, description="Mirror left to right with probability 1/2.")
    crop_padding: int = Field(
        default=0, ge=0, le=64, description="Pad by this many zero pixels, then crop at random."
    )


class ChannelStatistics(Section):
    """Mean and standard deviation of each channel, in [0, 1] pixel units."""

    mean: tuple[float, ...] = Field(min_length=1, max_length=4, description="Per channel.")
    std: tuple[PositiveFloat, ...] = Field(min_length=1, max_length=4, description="Per channel.")


class Dataset(Section):
    """The images to train and test on, and how they are prepared."""

    name: Literal[tuple(DATASETS)] = Field(  # type: ignore[valid-type]  # one list of names
        description="The dataset."
    )
    folder: FolderName | None = Field(
        default=None,
        description="imagefolder only: folder under the data root, with train/ and test/.",
    )
    image_size: PositiveInt | None = Field(
        default=None, le=1024, description="Side in pixels; default: the dataset's own."
    )
    train_size: PositiveInt | None = Field(
        default=None, description="Class-balanced subset of the training images; default: all."
    )
    test_size: PositiveInt | None = Field(
        default=None, description="Class-balanced subset of the test images; default: all."
    )
    validation_size: PositiveInt | None = Field(
        default=None,
        description="Class-balanced part of the training images, held out of training.",
    )
    random_labels: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="Share of the training images whose labels are shuffled."
    )
    subset_seed: Seed = Field(default=0, description="Draws the subsets, for all run seeds.")
    augmentation: Augmentation = Augmentation()
    normalization: Literal["train", "none"] | ChannelStatistics = Field(
        default="train",
        description="`train`: mean and deviation of each channel over the training images.",
    )

    later = frozenset({"validation_size", "random_labels"})

    @property
    def facts(self) -> DatasetFacts:
        """Sizes of this dataset, known before it is read."""
        return DATASETS[self.name]

    @property
    def label(self) -> str:
        """The data's name on the board; only records with the same one are compared.

        It is the name of the dataset or folder, with the size of a training subset, the size of
        the validation split, an image size other than the dataset's own, and the share of random
        labels.
        """
        parts = [self.folder or str(self.name)]
        if self.train_size is not None:
            parts.append(f"{self.train_size:,} training images")
        if self.validation_size is not None:
            parts.append(f"{self.validation_size:,} of them held out")
        if self.facts.image_size not in (None, self.image_size):
            parts.append(f"{self.image_size} x {self.image_size} pixels")
        if self.random_labels is not None:
            parts.append(f"{100 * self.random_labels:g} % random labels")
        return ", ".join(parts)

    @property
    def train_images(self) -> int | None:
        """Number of images to train on, None if it depends on the files."""
        images = self.train_size or self.facts.train_images
        return None if images is None else images - (self.validation_size or 0)


class Schedule(Section):
    """Factor on the learning rate as a function of the step."""

    name: Literal["constant", "multistep", "cosine"] = Field(
        default="constant", description="T* needs a stretch of constant learning rate."
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

    every: PositiveInt = Field(description="Interval of the uniform part, which gives T*.")
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
        "else trace. imagefolder needs it.",
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
    title: Annotated[str, Field(max_length=120, pattern=TITLE)] = Field(
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
