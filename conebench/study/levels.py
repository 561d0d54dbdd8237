"""Levels of the study's factors in a spec."""

import re
from collections.abc import Callable

from conebench.record.quantities import UNDEFINED
from conebench.spec import Spec

Level = float | str
NUMBER_IN_NAME = re.compile(r"cifar_resnet([0-9]+)")


def levels_of(spec: Spec) -> dict[str, Level]:
    """Return the level of each factor."""
    found = {factor: level(spec) for factor, level in FACTORS.items()}
    return {factor: level for factor, level in found.items() if level is not None}


def level_text(level: Level | None) -> str:
    """Write a level."""
    if level is None:
        return UNDEFINED
    return level if isinstance(level, str) else f"{level:,.10g}"


def _normalization(spec: Spec) -> str | None:
    # Other networks have a normalization of their own, which is no factor here.
    if not spec.model.name.startswith("cifar_"):
        return None
    return str(spec.model.kwargs.get("norm", "batch"))


def _width(spec: Spec) -> float | None:
    width = spec.model.kwargs.get("width")
    return float(width) if isinstance(width, int) and 0 < width < 10**9 else None


def _depth(spec: Spec) -> float | None:
    named = NUMBER_IN_NAME.fullmatch(spec.model.name)
    return float(named[1]) if named else None


def _augmentation(spec: Spec) -> str:
    chosen = spec.dataset.augmentation
    parts = ["flips"] * chosen.flip
    parts += [f"crops {chosen.crop_padding}"] * (chosen.crop_padding > 0)
    parts += [name.replace("_", " ") for name in chosen.names if name in chosen.later]
    return " and ".join(parts) or "none"


def _training_images(spec: Spec) -> float | None:
    images = spec.dataset.train_images
    return None if images is None else float(images)


FACTORS: dict[str, Callable[[Spec], Level | None]] = {
    "normalization": _normalization,
    "learning rate": lambda spec: spec.training.optimizer.learning_rate,
    "batch size": lambda spec: float(spec.training.batch_size),
    "width": _width,
    "depth": _depth,
    "output scale": lambda spec: spec.model.output_scale or 1.0,
    "weight decay": lambda spec: spec.training.optimizer.weight_decay,
    "augmentation": _augmentation,
    "training images": _training_images,
    "labels": lambda spec: "random" if spec.dataset.random_labels else "true",
    "loss": lambda spec: spec.training.loss,
    "optimizer": lambda spec: spec.training.optimizer.name,
    "architecture": lambda spec: spec.model.name,
    "steps": lambda spec: float(spec.total_steps),
}
