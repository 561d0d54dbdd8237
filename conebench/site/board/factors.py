"""Factors to compare records by, and all fields of their specs."""

import json
import re
from dataclasses import dataclass
from typing import Any

from conebench.record import Record
from conebench.spec import Spec
from conebench.text import flatten

# A family may follow cifar_ or tf_.
FAMILY = re.compile(r"(?:cifar_|tf_)?([a-z]+?)(?:v?[0-9]|[^a-z]|$)", re.IGNORECASE)
# These families have their depth in their names.
DEPTH = re.compile(r"(?:cifar_)?(?:resnet|vgg|densenet|wide_resnet)([0-9]+)")
# Fields without influence on training.
UNTOLD = ("name", "title", "seeds", "chaos")
# Fields that decide what is measured, not what is trained; their figures are not comparable.
MEASURING = (
    "kernel.outputs",
    "kernel.samples",
    "kernel.probe_seed",
    "kernel.batchnorm",
    "kernel.window",
    "kernel.averaged",
)

# Axes of factors are logarithmic, with room on both sides.
SMALLEST, LARGEST = 1e-30, 1e30

Value = float | str


@dataclass(frozen=True)
class Factor:
    """Something that records differ in."""

    key: str
    label: str
    numeric: bool


FACTORS = (
    Factor("learning_rate", "Learning rate", numeric=True),
    Factor("batch_size", "Batch size", numeric=True),
    Factor("parameters", "Parameters", numeric=True),
    Factor("width", "Width", numeric=True),
    Factor("depth", "Depth", numeric=True),
    Factor("normalization", "Normalization", numeric=False),
    Factor("optimizer", "Optimizer", numeric=False),
    Factor("family", "Model family", numeric=False),
    Factor("dataset", "Dataset", numeric=False),
)


def factors_of(record: Record) -> dict[str, Value | None]:
    """Return the value of each factor, None if the spec does not state it.

    Width is `model.kwargs.width`; depth `model.kwargs.depth`, or the number in the name of a
    network that is named by it; normalization the keyword argument that sets it.
    """
    spec, kwargs = record.spec, record.spec.model.kwargs
    named = DEPTH.match(spec.model.name)
    depth = _number(kwargs.get("depth"))
    return {
        "learning_rate": spec.training.optimizer.learning_rate,
        "batch_size": float(spec.training.batch_size),
        "parameters": float(record.model.parameters),
        "width": _number(kwargs.get("width")),
        "depth": _number(int(named[1])) if depth is None and named else depth,
        "normalization": str(kwargs.get("norm_layer") or kwargs.get("norm") or "the model’s own"),
        "optimizer": spec.training.optimizer.name,
        "family": model_family(spec.model.name),
        "dataset": spec.dataset.shown_name,
    }


def model_family(name: str) -> str:
    """Return the letters a model's name begins with: resnet, vgg, vit."""
    family = FAMILY.match(name)
    return family[1].lower() if family else name


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known and SMALLEST <= value <= LARGEST else None


def fields_of(spec: Spec) -> dict[str, str]:
    """Return every field of a spec that matters, as JSON text.

    The dataset is one field, and so is the optimizer without its learning rate: another one has
    other options. The length of a run is its steps, also if the spec says epochs.
    """
    data = {name: part for name, part in spec.dump().items() if name not in UNTOLD}
    optimizer = data["training"]["optimizer"]
    rate = optimizer.pop("learning_rate")
    data["training"].pop("epochs")
    chosen = {
        "training.optimizer": optimizer,
        "training.optimizer.learning_rate": rate,
        "dataset": data.pop("dataset"),
    }
    del data["training"]["optimizer"]
    # An empty mapping, such as no arguments of a network, says nothing of its own.
    leaves = {name: value for name, value in flatten(data) if value != {}} | chosen
    return {name: json.dumps(value, sort_keys=True) for name, value in leaves.items()}


def untold_fields(spec: Spec) -> dict[str, str]:
    """Return the other fields of a spec, as JSON text."""
    data = spec.dump()
    return {name: json.dumps(data.get(name), sort_keys=True) for name in UNTOLD}
