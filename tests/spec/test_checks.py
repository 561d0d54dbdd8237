"""Every cross-field rule: one change to a valid spec, the exact field and message."""

from typing import Any

import pytest
from synthetic import BASE_SPEC, make_spec

from conebench.spec import Spec
from conebench.spec.checks import ARGUMENTS_SET_ELSEWHERE, Problem, cross_field_problems


def section(name: str, **changes: object) -> dict[str, Any]:
    return {name: {**BASE_SPEC[name], **changes}}


def training(**changes: object) -> dict[str, Any]:
    return section("training", **changes)


def folder(**changes: object) -> dict[str, Any]:
    dataset = {"name": "imagefolder", "folder": "birds", "image_size": 64, **changes}
    return {"dataset": dataset, **section("kernel", outputs="full")}


def hub(**changes: Any) -> dict[str, Any]:
    dataset = {"name": "hf", "image_size": 8, **changes}
    return {**folder(), "dataset": dataset}


SGD = {"name": "sgd", "learning_rate": 0.1}
GRAY = {"mean": [0.5], "std": [0.2]}

LION = {"name": "lion", "learning_rate": 0.01, "weight_decay": 0.1}
HELD_OUT = section("dataset", validation_size=200)
GRID = {"linearization": {"learning_rate": [0.1, 0.01]}}

ALLOWED = {
    "the base": {},
    "epochs": training(steps=None, epochs=100) | section("kernel", checkpoints={"every": 50})
    | {"switching": {"steps": [100]}},
    "a folder of unknown size": folder(),
    "epochs of a folder of known size": folder(train_size=6400) | training(steps=None, epochs=10),
    "all images": section("dataset", train_size=1437, test_size=360),
    "one image a class": section("dataset", train_size=512, test_size=10),
    "one batch is the set": section("dataset", train_size=600) | training(batch_size=600),
    "calibration that nothing asks for": section("dataset", train_size=100)
    | {"linearization": {"batchnorm": "eval"}},
    "one mean a channel": section("dataset", normalization=GRAY),
    "warm-up that leaves eight intervals": training(schedule={"warmup_steps": 600}),
    "multistep": training(schedule={"name": "multistep", "milestones": [0.5, 0.75]}),
    "eight intervals": section("kernel", checkpoints={"every": 125})
    | {"switching": {"steps": [125]}},
    "a switch at an extra checkpoint": {"switching": {"steps": [5, 950]}},
    "a lazy arm at a checkpoint": {"linearization": {"point": 20}},
    "nesterov with momentum": training(optimizer={**SGD, "momentum": 0.9, "nesterov": True}),
    "a grid with images to choose on": HELD_OUT | GRID,
    "images held out for nothing": HELD_OUT,
    "epochs of the images not held out": HELD_OUT | training(steps=None, epochs=50)
    | section("kernel", checkpoints={"every": 19}) | {"switching": {"steps": [19]}},
    "another optimizer": training(optimizer={**LION, "weight_decay": 0.0}),
    "weight decay that linear arms go without": training(optimizer=LION)
    | {"linearization": {"weight_decay": "none"}},
    "label smoothing and clipping": training(label_smoothing=0.1, clip_gradients=1.0),
    "one probe image a class": section("kernel", samples=10),
    "copies from the start, from an extra checkpoint, to the end": {
        "chaos": {"pairs": [[0, 1000], [5, 20], [5, 1000], [50, 100]]}
    },
    "an argument of the network": section("model", kwargs={"width": 4}),
}  # fmt: skip


@pytest.mark.parametrize("changes", ALLOWED.values(), ids=ALLOWED)
def test_allowed(changes: dict[str, Any]) -> None:
    assert cross_field_problems(make_spec(**changes)) == []


def at_most(count: int) -> str:
    return f"expected at most {count}"


BEFORE_THE_END = "expected a step before 1000, the end"
CHECKPOINTS = "expected a checkpoint: a multiple of 50, or one of kernel.checkpoints.extra"
ONE_PER_CLASS = "expected at least 10 (one per class)"
MULTISTEP = {"name": "multistep"}

REFUSED = {
    "two ways to crop": (
        section("dataset", augmentation={"crop_padding": 2, "resized_crop": {}}),
        "dataset.augmentation.crop_padding",
        "got 2, expected 0 with resized_crop",
    ),
    "the largest area first": (
        section("dataset", augmentation={"erasing": {"area": [0.5, 0.1]}}),
        "dataset.augmentation.erasing.area",
        "got [0.5, 0.1], expected the least first",
    ),
    "colors of gray images": (
        section("dataset", augmentation={"color_jitter": {"brightness": 0.1, "hue": 0.1}}),
        "dataset.augmentation.color_jitter.hue",
        "gray images have no colors to change",
    ),
    "neither steps nor epochs": (
        training(steps=None),
        "training",
        "steps or epochs is missing",
    ),
    "epochs of a folder of unknown size": (
        folder() | training(steps=None, epochs=3),
        "training.epochs",
        "imagefolder has no known size: give training.steps, or set dataset.train_size",
    ),
    "a dataset of the hub without its repository": (
        hub(revision="0" * 40),
        "dataset.repo",
        "missing, hf needs it",
    ),
    "a dataset of the hub of any revision": (
        hub(repo="me/pets"),
        "dataset.revision",
        "missing, hf needs it",
    ),
    "a column of digits": (
        section("dataset", label="kind"),
        "dataset.label",
        "only hf takes label",
    ),
    "folder of a known dataset": (
        section("dataset", folder="birds"),
        "dataset.folder",
        "only imagefolder takes a folder",
    ),
    "imagefolder without a folder": (
        folder(folder=None),
        "dataset.folder",
        "missing, imagefolder needs it",
    ),
    "imagefolder without a size": (
        folder(image_size=None),
        "dataset.image_size",
        "missing, imagefolder needs it",
    ),
    "too many training images": (
        section("dataset", train_size=1438),
        "dataset.train_size",
        f"got 1438, {at_most(1437)}",
    ),
    "too many test images": (
        section("dataset", test_size=361),
        "dataset.test_size",
        f"got 361, {at_most(360)}",
    ),
    "too few test images": (
        section("dataset", test_size=9),
        "dataset.test_size",
        f"got 9, {ONE_PER_CLASS}",
    ),
    "all images held out": (
        section("dataset", train_size=600, validation_size=600),
        "dataset.validation_size",
        "got 600, expected fewer than the 600 training images",
    ),
    "batch larger than what is not held out": (
        section("dataset", validation_size=800) | training(batch_size=638),
        "training.batch_size",
        "got 638, expected at most the 637 images",
    ),
    "too few held out": (
        section("dataset", validation_size=9),
        "dataset.validation_size",
        f"got 9, {ONE_PER_CLASS}",
    ),
    "a grid without images to choose on": (
        GRID,
        "dataset.validation_size",
        "missing, needed to choose a rate from the list linearization.learning_rate",
    ),
    "a grid with a rate twice": (
        HELD_OUT | {"linearization": {"learning_rate": [0.1, 0.1]}},
        "linearization.learning_rate",
        "got [0.1, 0.1], expected each learning rate once",
    ),
    "weight decay of unknown place": (
        training(optimizer=LION),
        "linearization.weight_decay",
        "got 'zero-origin', expected 'none': conebench does not know how lion applies weight decay",
    ),
    "an option that has a field": (
        training(optimizer={**LION, "weight_decay": 0.0, "options": {"lr": 0.1}}),
        "training.optimizer.options.lr",
        "not an argument of the optimizer itself",
    ),
    "state of unknown meaning": (
        training(optimizer={**LION, "weight_decay": 0.0})
        | {"linearization": {"optimizer_state": "carry"}},
        "linearization.optimizer_state",
        "got 'carry', expected 'reset': conebench does not know the state of lion",
    ),
    "label smoothing of linear arms' square loss": (
        training(label_smoothing=0.1) | {"linearization": {"loss": "mse"}},
        "training.label_smoothing",
        "got 0.1, only cross-entropy takes it",
    ),
    "label smoothing of a square loss": (
        training(loss="mse", label_smoothing=0.1),
        "training.label_smoothing",
        "got 0.1, only cross-entropy takes it",
    ),
    "batch larger than the set": (
        training(batch_size=1438),
        "training.batch_size",
        "got 1438, expected at most the 1437 images",
    ),
    "means of another number of channels": (
        section("dataset", normalization={"mean": [0.5, 0.5, 0.5], "std": [0.2]}),
        "dataset.normalization.mean",
        "got 3, expected 1 (one per channel)",
    ),
    "deviations of another number of channels": (
        {"dataset": {"name": "cifar10", "normalization": {"mean": [0.5] * 3, "std": [0.2]}}},
        "dataset.normalization.std",
        "got 1, expected 3 (one per channel)",
    ),
    "warm-up that leaves seven intervals": (
        training(schedule={"warmup_steps": 601}),
        "kernel.checkpoints.every",
        "got 50, which gives 7 intervals at the first constant learning rate (steps 601 to "
        "1000); T* needs 8",
    ),
    "a folder with the name of a dataset": (
        folder(folder="cifar10"),
        "dataset.folder",
        "got 'cifar10', the name of a built-in dataset: rename the folder",
    ),
    "too fine a grid": (
        section("kernel", checkpoints={"every": 1}) | {"switching": {"steps": [5]}},
        "kernel.checkpoints.every",
        "got 1, expected at least 2: a record holds at most 500 intervals",
    ),
    "a folder without a reduction": (
        folder() | section("kernel", outputs=None),
        "kernel.outputs",
        "missing, imagefolder needs it",
    ),
    "warm-up to the end": (
        training(schedule={"warmup_steps": 1000}),
        "training.schedule.warmup_steps",
        "got 1000, expected fewer than the 1000 steps",
    ),
    "multistep without milestones": (
        training(schedule=MULTISTEP),
        "training.schedule.milestones",
        "missing, multistep needs them",
    ),
    "milestones without multistep": (
        training(schedule={"milestones": [0.5]}),
        "training.schedule.milestones",
        "only multistep takes milestones",
    ),
    "milestones out of order": (
        training(schedule={**MULTISTEP, "milestones": [0.75, 0.5]}),
        "training.schedule.milestones",
        "got [0.75, 0.5], expected ascending order",
    ),
    "a milestone twice": (
        training(schedule={**MULTISTEP, "milestones": [0.5, 0.5]}),
        "training.schedule.milestones",
        "got [0.5, 0.5], expected ascending order",
    ),
    "grid that misses the end": (
        section("kernel", checkpoints={"every": 300}) | {"switching": {"steps": [300]}},
        "kernel.checkpoints.every",
        "got 300, expected a divisor of the 1000 steps",
    ),
    "grid too coarse for T*": (
        section("kernel", checkpoints={"every": 200}) | {"switching": {"steps": [200]}},
        "kernel.checkpoints.every",
        f"got 200, {at_most(125)}: T* needs 8 intervals",
    ),
    "extra checkpoint at the end": (
        section("kernel", checkpoints={"every": 50, "extra": [1000]}),
        "kernel.checkpoints.extra",
        f"got step 1000, {BEFORE_THE_END}",
    ),
    "a switch twice": (
        {"switching": {"steps": [100, 50, 100]}},
        "switching.steps",
        "got [100, 50, 100], expected each step once",
    ),
    "switch at the end": (
        {"switching": {"steps": [1000]}},
        "switching.steps",
        f"got step 1000, {BEFORE_THE_END}",
    ),
    "switch between checkpoints": (
        {"switching": {"steps": [100, 6]}},
        "switching.steps",
        f"got step 6, {CHECKPOINTS}",
    ),
    "lazy arm at the end": (
        {"linearization": {"point": 1000}},
        "linearization.point",
        f"got step 1000, {BEFORE_THE_END}",
    ),
    "lazy arm between checkpoints": (
        {"linearization": {"point": 21}},
        "linearization.point",
        f"got step 21, {CHECKPOINTS}",
    ),
    "nesterov without momentum": (
        training(optimizer={**SGD, "nesterov": True}),
        "training.optimizer.nesterov",
        "got true, which needs a momentum above 0",
    ),
    "more probe images than images": (
        section("kernel", samples=1438),
        "kernel.samples",
        "got 1438, expected at most the 1437 training images",
    ),
    "more calibration images than images": (
        section("kernel", calibration_samples=601) | section("dataset", train_size=600),
        "kernel.calibration_samples",
        "got 601, expected at most the 600 training images to re-estimate BatchNorm on; "
        "set kernel.calibration_samples: 600",
    ),
    "calibration of the kernel alone": (
        section("kernel", batchnorm="recalibrated")
        | section("dataset", train_size=100)
        | {"linearization": {"batchnorm": "eval"}},
        "kernel.calibration_samples",
        "got 512, expected at most the 100 training images to re-estimate BatchNorm on; "
        "set kernel.calibration_samples: 100",
    ),
    "fewer probe images than classes": (
        section("kernel", samples=9),
        "kernel.samples",
        f"got 9, {ONE_PER_CLASS}",
    ),
    "a pair twice": (
        {"chaos": {"pairs": [[0, 50], [50, 100], [0, 50]]}},
        "chaos.pairs",
        "got [[0, 50], [50, 100], [0, 50]], expected each pair once",
    ),
    "a pair backwards": (
        {"chaos": {"pairs": [[100, 50]]}},
        "chaos.pairs",
        "got [100, 50], expected t0 before t1",
    ),
    "a pair of one step": (
        {"chaos": {"pairs": [[50, 50]]}},
        "chaos.pairs",
        "got [50, 50], expected t0 before t1",
    ),
    "a copy beyond the end": (
        {"chaos": {"pairs": [[50, 1050]]}},
        "chaos.pairs",
        "got step 1050, expected a step up to 1000, the end",
    ),
    "a copy from between checkpoints": (
        {"chaos": {"pairs": [[6, 50]]}},
        "chaos.pairs",
        f"got step 6, {CHECKPOINTS}",
    ),
    "a copy compared between checkpoints": (
        {"chaos": {"pairs": [[0, 21]]}},
        "chaos.pairs",
        f"got step 21, {CHECKPOINTS}",
    ),
    "a seed twice": (
        {"seeds": [1, 0, 1]},
        "seeds",
        "got [1, 0, 1], expected each seed once",
    ),
}


@pytest.mark.parametrize(("changes", "field", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(changes: dict[str, Any], field: str, message: str) -> None:
    assert cross_field_problems(make_spec(**changes)) == [Problem(tuple(field.split(".")), message)]


@pytest.mark.parametrize(("argument", "source"), ARGUMENTS_SET_ELSEWHERE.items())
def test_argument_set_elsewhere(argument: str, source: str) -> None:
    spec = make_spec(model={"name": "resnet18", "kwargs": {"width": 4, argument: None}})
    expected = f"not allowed here: {source} sets it"
    assert cross_field_problems(spec) == [Problem(("model", "kwargs", argument), expected)]


def test_too_few_training_images_break_three_rules() -> None:
    spec = make_spec(dataset={"name": "digits", "train_size": 9})
    assert [problem.field for problem in cross_field_problems(spec)] == [
        ("dataset", "train_size"),
        ("training", "batch_size"),
        ("kernel", "samples"),
        ("kernel", "calibration_samples"),
    ]


def test_problems_come_in_the_order_of_the_sections() -> None:
    spec = make_spec(
        dataset={"name": "digits", "test_size": 1000},
        training={**BASE_SPEC["training"], "schedule": {"milestones": [0.9]}},
        seeds=[0, 0],
    )
    sections = [problem.field[0] for problem in cross_field_problems(spec)]
    assert sections == ["dataset", "training", "seeds"]


def test_the_schema_alone_lets_these_through() -> None:
    # Otherwise the rules above would never be reached.
    for changes, _, _ in REFUSED.values():
        assert isinstance(make_spec(**changes), Spec)
