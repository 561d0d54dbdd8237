"""Warnings about a valid spec whose record would lack a figure or a rank."""

from collections.abc import Iterator

from conebench.spec.checks import Problem
from conebench.spec.schedule import constant_intervals, constant_stretch, window_start
from conebench.spec.schema import Spec

PROBE_IMAGES_PER_CLASS = 2
INTERVALS = 20
WINDOW_CHECKPOINTS = 9
TEST_IMAGES = 200
RANKED_SEEDS = 5


def advice(spec: Spec) -> list[Problem]:
    """Return warnings about a resolved spec, in the order of its sections."""
    return [*_test_images(spec), *_grid(spec), *_arms(spec), *_probe(spec), *_seeds(spec)]


def _test_images(spec: Spec) -> Iterator[Problem]:
    images = spec.dataset.test_size or spec.dataset.facts.test_images
    if images is not None and images < TEST_IMAGES:
        yield Problem(
            ("dataset", "test_size"),
            f"only {images} test images, so accuracies move in steps of {1 / images:.1%}",
        )


def _grid(spec: Spec) -> Iterator[Problem]:
    stretch, every = constant_stretch(spec), spec.kernel.checkpoints.every
    if stretch is None:
        yield Problem(
            ("training", "schedule", "name"),
            "the learning rate is never constant, so there will be no late window and no rank",
        )
        return
    intervals, field = constant_intervals(spec), ("kernel", "checkpoints", "every")
    w = window_start(spec)
    in_window = 0 if w is None else stretch[1] // every - w // every + 1
    if in_window < WINDOW_CHECKPOINTS:
        yield Problem(
            field,
            f"only {in_window} checkpoints in the late window, {WINDOW_CHECKPOINTS} are needed: "
            "without them, the cone angle and the rank are undefined; choose a smaller interval",
        )
    elif intervals < INTERVALS:
        yield Problem(
            field,
            f"only {intervals} checkpoint intervals at constant learning rate; use {INTERVALS} or "
            "more for a reliable cone angle",
        )


def _arms(spec: Spec) -> Iterator[Problem]:
    w = window_start(spec)
    if w is not None and w not in spec.switching.steps:
        yield Problem(
            ("switching", "steps"),
            f"no arm at w = {w:,}, the start of the late window: benefit B(w) is undefined",
        )


def _probe(spec: Spec) -> Iterator[Problem]:
    classes, samples = spec.dataset.facts.classes, spec.kernel.samples
    if classes is not None and samples < PROBE_IMAGES_PER_CLASS * classes:
        yield Problem(
            ("kernel", "samples"),
            f"only {samples} probe images for {classes} classes; use at least "
            f"{PROBE_IMAGES_PER_CLASS} per class",
        )


def _seeds(spec: Spec) -> Iterator[Problem]:
    if len(spec.seeds) == 1:
        yield Problem(("seeds",), "only one seed, so there will be no intervals and no rank")
    elif len(spec.seeds) < RANKED_SEEDS:
        yield Problem(("seeds",), f"only {len(spec.seeds)} seeds; a rank needs {RANKED_SEEDS}")
