"""A spec shortened to seconds, to see that every part of it works; its figures mean nothing."""

from typing import Any

from conebench.spec.loading import SMOKE_SUFFIX
from conebench.spec.schema import Spec

STEPS = 16
EVERY = 2
SWITCH = 8
IMAGES_A_CLASS = 4
MOST_IN_A_BATCH = 16
LONGEST_NAME = 64


def smoke_spec(spec: Spec) -> Spec:
    """The same network, optimizer and arms on few images for 16 steps, one seed.

    Its name ends in `.smoke`, which no spec of a file may, so no record of it is ever taken for
    that of a spec.
    """
    data = spec.dump()
    data["name"] = spec.name[: LONGEST_NAME - len(SMOKE_SUFFIX)] + SMOKE_SUFFIX
    data["title"] = f"Smoke run of {spec.name}, its figures mean nothing"
    data["seeds"] = data["seeds"][:1]
    data["training"] |= _training(spec)
    data["dataset"] |= _dataset(spec)
    data["kernel"] |= _kernel(spec)
    data["switching"]["steps"] = [SWITCH] if spec.switching.steps else []
    if isinstance(spec.linearization.point, int):
        data["linearization"]["point"] = SWITCH
    if spec.chaos is not None:
        data["chaos"]["pairs"] = [[SWITCH, STEPS]]
    return Spec.model_validate(data, strict=False).resolved()


def _training(spec: Spec) -> dict[str, Any]:
    return {
        "steps": STEPS,
        "epochs": None,
        "batch_size": min(spec.training.batch_size, MOST_IN_A_BATCH),
        # T* is read where the learning rate is constant, which takes eight intervals.
        "schedule": {"name": "constant"},
    }


def _dataset(spec: Spec) -> dict[str, Any]:
    images = IMAGES_A_CLASS * _classes(spec)
    if spec.dataset.validation_size is None:
        return {"train_size": images, "test_size": images}
    return {"train_size": 2 * images, "test_size": images, "validation_size": images}


def _kernel(spec: Spec) -> dict[str, Any]:
    return {
        "samples": _classes(spec),
        "calibration_samples": MOST_IN_A_BATCH,
        "checkpoints": {"every": EVERY},
    }


def _classes(spec: Spec) -> int:
    # A folder has at most as many classes as the spec has probe images.
    return spec.dataset.facts.classes or spec.kernel.samples
