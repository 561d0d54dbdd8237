"""Data, store and networks that all stages of one run share."""

from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from conebench.data.datasets import Data, Images, load_data
from conebench.entk import default_memory_limit
from conebench.errors import DeviceMissingError
from conebench.linearize import LinearizedModel, with_recalibrated_batchnorm
from conebench.networks.copies import copied
from conebench.networks.imported import import_modules
from conebench.networks.scaled_output import ScaledOutput
from conebench.networks.timm_models import make_model
from conebench.runner.stages.code import Code, current_code
from conebench.runner.stages.device import workers_on_one_device
from conebench.runner.stages.progress import Progress
from conebench.runner.stages.work import Sizes, Work
from conebench.seeding import counter_seed
from conebench.spec import Spec
from conebench.spec.schema import Model
from conebench.storage.store import Store

CALIBRATION_BATCH = 256


@cache
def library_versions() -> dict[str, str]:
    """Return the versions that a stage's result depends on."""
    return {"torch": str(torch.__version__), "timm": version("timm")}


@dataclass(frozen=True)
class RunOptions:
    """How a spec is run."""

    data_root: Path
    run_dir: Path
    device: torch.device
    # None: all of the spec's.
    seeds: tuple[int, ...] | None = None
    # Bytes that one kernel may take. None: a quarter of what is free, shared by the stages on one
    # device.
    kernel_memory: int | None = None
    # Stages that run at once on this machine.
    jobs: int = 1
    # Seconds after which training stores its state again.
    save_every: float = 60.0
    # Trackers that receive measurements, next to metrics.jsonl.
    loggers: tuple[str, ...] = ()
    # Modules that register networks with timm.
    imports: tuple[str, ...] = ()
    # Training steps are recorded as CUDA graphs.
    cuda_graphs: bool = False

    def __post_init__(self) -> None:
        # A notebook may give texts.
        for name in ("data_root", "run_dir"):
            object.__setattr__(self, name, Path(getattr(self, name)))
        object.__setattr__(self, "device", torch.device(self.device))


@dataclass(frozen=True)
class Context:
    """One spec on one machine; one kernel may take `kernel_memory` bytes."""

    spec: Spec
    data: Data
    device: torch.device
    store: Store
    progress: Progress
    kernel_memory: int
    save_every: float
    imports: tuple[str, ...] = ()
    cuda_graphs: bool = False

    @cached_property
    def sizes(self) -> Sizes:
        """Numbers that the work of stages depends on."""
        return Sizes(self.spec, len(self.data.classes), len(self.data.test))

    def advance(self, work: Work) -> None:
        """Report work as done."""
        self.progress.advance(work.passes(self.sizes))

    def log(self, seed: int, stage: str, step: int, **measured: float | None) -> None:
        """Pass on what was measured in a stage at one step."""
        self.progress.metrics({"seed": seed, "stage": stage, "step": step, **measured})

    @property
    def code(self) -> Code:
        """The code of this process."""
        return current_code(self.spec.model.name, self.imports)

    @cached_property
    def probe(self) -> Images:
        """The probe set, the same for every seed."""
        kernel = self.spec.kernel
        return self.data.balanced_subset(kernel.samples, kernel.probe_seed, "probe")

    @cached_property
    def calibration_batches(self) -> list[Tensor]:
        """Inputs that re-estimate BatchNorm statistics."""
        kernel = self.spec.kernel
        images = self.data.balanced_subset(
            kernel.calibration_samples, kernel.probe_seed, "calibration"
        )
        # Batches of nearly equal size: a tiny last one would weigh as much as the others.
        count = -(-len(images) // CALIBRATION_BATCH)
        return [self.data.normalize(part) for part in images.pixels.tensor_split(count)]

    def inputs(self, *sections: str) -> dict[str, Any]:
        """Return what decides a stage's result: data, code, and these spec sections."""
        return {
            "data": self.data.hash,
            "device": self.device.type,
            **library_versions(),
            "code": self.code.hash,
            # Not shown yet to give the same bits.
            **({"cuda_graphs": True} if self.cuda_graphs else {}),
            **{section: self._sections[section] for section in sections},
        }

    @cached_property
    def _sections(self) -> dict[str, Any]:
        sections = self.spec.dump()
        # Read from kernels, but no part of them.
        sections["kernel"].pop("window", None)
        return sections

    def initial_network(self, seed: int, *, pretrained: bool | None = None) -> nn.Module:
        """Make the network at theta_0 of this seed, on the device, in training mode."""
        return build_network(
            self.spec.model,
            classes=len(self.data.classes),
            channels=self.data.train.pixels.shape[1],
            seed=counter_seed(seed, "init"),
            pretrained=self.spec.model.pretrained if pretrained is None else pretrained,
        ).to(self.device)

    def frozen(self, network: nn.Module, batchnorm: str) -> nn.Module:
        """Copy a network into evaluation mode, with BatchNorm recalibrated if asked."""
        if batchnorm == "recalibrated":
            return with_recalibrated_batchnorm(network, self.calibration_batches)
        return copied(network).eval()

    def linearized(self, network: nn.Module) -> LinearizedModel:
        """Linearize a network as the spec's linearization section says."""
        choice = self.spec.linearization
        frozen = self.frozen(network, choice.batchnorm)
        return LinearizedModel(frozen, intercept=choice.intercept == "kept")


def build_network(
    model: Model, *, classes: int, channels: int, seed: int, pretrained: bool = False
) -> nn.Module:
    """Make the network of a spec's model section, with its output scale."""
    network = make_model(
        model.name,
        model.kwargs,
        pretrained=pretrained,
        classes=classes,
        channels=channels,
        seed=seed,
    )
    return network if model.output_scale is None else ScaledOutput(network, model.output_scale)


def state_bytes(network: nn.Module) -> int:
    """Count the bytes of a network's parameters and buffers."""
    return sum(t.numel() * t.element_size() for t in network.state_dict().values())


def open_context(
    spec: Spec, options: RunOptions, progress: Progress, data: Data | None = None
) -> Context:
    """Import a run's modules, read its data unless given, and open its folder.

    Raises a SpecError if data and spec do not fit, a DataMissingError if the data are missing, an
    InputError if a module cannot be imported, a DeviceMissingError for CUDA graphs on a CPU.
    """
    if options.cuda_graphs and options.device.type != "cuda":
        raise DeviceMissingError(f"--cuda-graphs: got the device {options.device}, expected cuda")
    # Each process that computes stages opens a context.
    import_modules(options.imports)
    data = data or load_data(spec.dataset, options.data_root, options.device)
    store = Store(options.run_dir / spec.name)
    memory = options.kernel_memory or _kernel_memory(options)
    return Context(
        spec,
        data,
        options.device,
        store,
        progress,
        memory,
        options.save_every,
        options.imports,
        options.cuda_graphs,
    )


def _kernel_memory(options: RunOptions) -> int:
    gpus = torch.cuda.device_count() if options.device.type == "cuda" else 0
    sharing = workers_on_one_device(options.jobs, gpus)
    return default_memory_limit(options.device) // sharing
