"""Shorten a spec to seconds, to try that it works; its figures mean nothing."""

from typing import Any

from conebench.spec.datasets import DatasetFacts
from conebench.spec.loading import SMOKE_SUFFIX
from conebench.spec.schema import Spec

STEPS = 16
EVERY = 2
SWITCH = 8
IMAGES_PER_CLASS = 4
MOST_IN_A_BATCH = 16
LONGEST_NAME = 64


def smoke_spec(spec: Spec, facts: DatasetFacts | None = None) -> Spec:
    """Return a short form of a spec: few images, 16 steps and one seed.

    Network, optimizer and arms stay. `facts` are the sizes of an image folder, which may have fewer
    images than this asks for.
    """
    data = spec.dump()
    # No spec file may use such a name, so the record cannot pass for a real one.
    data["name"] = spec.name[: LONGEST_NAME - len(SMOKE_SUFFIX)] + SMOKE_SUFFIX
    data["title"] = f"Smoke run of {spec.name}, its figures mean nothing"
    data["seeds"] = data["seeds"][:1]
    # A folder that was not looked at has at most as many classes as the spec has probe images.
    facts = facts or spec.dataset.facts
    classes = facts.classes or spec.kernel.samples
    sizes = _dataset(spec, facts, classes)
    images = sizes["train_size"] - sizes.get("validation_size", 0)
    data["dataset"] |= sizes
    data["training"] |= _training(spec, images)
    data["kernel"] |= _kernel(classes, images)
    data["switching"]["steps"] = [SWITCH] if spec.switching.steps else []
    if isinstance(spec.linearization.point, int):
        data["linearization"]["point"] = SWITCH
    if spec.chaos is not None:
        data["chaos"]["pairs"] = [[SWITCH, STEPS]]
    return Spec.model_validate(data, strict=False).resolved()


def _training(spec: Spec, images: int) -> dict[str, Any]:
    return {
        "steps": STEPS,
        "epochs": None,
        "batch_size": min(spec.training.batch_size, MOST_IN_A_BATCH, images),
        # T* needs eight intervals at constant learning rate.
        "schedule": {"name": "constant"},
    }


def _dataset(spec: Spec, facts: DatasetFacts, classes: int) -> dict[str, int]:
    images = IMAGES_PER_CLASS * classes
    test = min(images, facts.test_images or images)
    if spec.dataset.validation_size is None:
        return {"train_size": min(images, facts.train_images or images), "test_size": test}
    train = min(2 * images, facts.train_images or 2 * images)
    return {"train_size": train, "test_size": test, "validation_size": train // 2}


def _kernel(classes: int, images: int) -> dict[str, Any]:
    return {
        "samples": classes,
        "calibration_samples": min(MOST_IN_A_BATCH, images),
        "checkpoints": {"every": EVERY},
    }
