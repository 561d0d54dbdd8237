"""Check that the fields of a spec fit together."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from conebench.spec.datasets import DATASETS, OF_HUB
from conebench.spec.optimizers import OtherOptimizer, Sgd
from conebench.spec.schedule import constant_stretch
from conebench.spec.schema import Spec
from conebench.spec.yaml_text import shown

MIN_UNIFORM_INTERVALS = 8
# The Gram matrices in a record grow with the square of this.
MAX_UNIFORM_INTERVALS = 500
ARGUMENTS_SET_ELSEWHERE = {
    "num_classes": "the dataset",
    "in_chans": "the dataset",
    "pretrained": "model.pretrained",
    # These would let a spec read any file.
    "checkpoint_path": "timm",
    "cache_dir": "timm",
    "pretrained_cfg": "timm",
    "pretrained_cfg_overlay": "timm",
}
# Arguments of timm's factory that have a field of their own, or need the names of parameters.
FACTORY_OPTIONS = {
    *("opt", "lr", "params", "model_or_params", "weight_decay", "weight_decay_exclude_1d"),
    *("filter_bias_and_bn", "fallback_list", "fallback_no_weight_decay", "param_group_fn"),
    *("layer_decay", "layer_decay_min_scale", "layer_decay_no_opt_scale"),
}


class Problem(NamedTuple):
    """Path of a field and what is wrong with it: `got X, expected Y`."""

    field: tuple[str | int, ...]
    message: str


def cross_field_problems(spec: Spec) -> list[Problem]:
    """Return the problems of a resolved spec, in the order of its sections."""
    problems = [*_length(spec), *_folder(spec), *_hub(spec), *_dataset(spec), *_augmentation(spec)]
    if spec.training.steps is not None:
        problems += [*_schedule(spec), *_grid(spec), *_switching(spec)]
    problems += [*_model(spec), *_optimizer(spec), *_loss(spec), *_linearization(spec)]
    problems += [*_kernel(spec), *_chaos(spec)]
    return [*problems, *_each_once(("seeds",), spec.seeds, "seed")]


def _length(spec: Spec) -> Iterator[Problem]:
    training, epochs_given = spec.training, spec.training.epochs is not None
    name = spec.dataset.name
    if not epochs_given and training.steps is None:
        yield Problem(("training",), "steps or epochs is missing")
    if epochs_given and spec.dataset.train_images is None:
        yield Problem(
            ("training", "epochs"),
            f"{name} has no known size: give training.steps, or set dataset.train_size",
        )


def _folder(spec: Spec) -> Iterator[Problem]:
    dataset = spec.dataset
    is_folder = dataset.name == "imagefolder"
    if is_folder != (dataset.folder is not None):
        rule = "missing, imagefolder needs it" if is_folder else "only imagefolder takes a folder"
        yield Problem(("dataset", "folder"), rule)
    if dataset.folder in DATASETS:
        yield Problem(
            ("dataset", "folder"),
            f"got {dataset.folder!r}, the name of a built-in dataset: rename the folder",
        )
    if dataset.image_size is None:
        yield Problem(("dataset", "image_size"), f"missing, {dataset.name} needs it")


def _hub(spec: Spec) -> Iterator[Problem]:
    dataset = spec.dataset
    for field in OF_HUB:
        is_given = getattr(dataset, field) != type(dataset).model_fields[field].default
        if dataset.name == "hf" and field in ("repo", "revision") and not is_given:
            yield Problem(("dataset", field), "missing, hf needs it")
        if dataset.name != "hf" and is_given:
            yield Problem(("dataset", field), f"only hf takes {field}")


def _dataset(spec: Spec) -> Iterator[Problem]:
    dataset, facts = spec.dataset, spec.dataset.facts
    for field, known in (("train_size", facts.train_images), ("test_size", facts.test_images)):
        size = getattr(dataset, field)
        if size is not None and known is not None and size > known:
            yield Problem(("dataset", field), f"got {size}, expected at most {known}")
        yield from one_per_class(("dataset", field), size, facts.classes)
    yield from _split(spec)
    if dataset.normalization not in ("train", "none"):
        for field in ("mean", "std"):
            count = len(getattr(dataset.normalization, field))
            if count != facts.channels:
                yield Problem(
                    ("dataset", "normalization", field),
                    f"got {count}, expected {facts.channels} (one per channel)",
                )


def _augmentation(spec: Spec) -> Iterator[Problem]:
    choice, where = spec.dataset.augmentation, ("dataset", "augmentation")
    if choice.resized_crop is not None and choice.crop_padding:
        yield Problem(
            (*where, "crop_padding"), f"got {choice.crop_padding}, expected 0 with resized_crop"
        )
    for name in ("resized_crop", "erasing"):
        for field in ("area", "ratio"):
            low, high = getattr(getattr(choice, name), field, (0, 0))
            if low > high:
                yield Problem(
                    (*where, name, field), f"got [{low}, {high}], expected the least first"
                )
    jitter = choice.color_jitter
    for field in ("saturation", "hue"):
        if jitter is not None and spec.dataset.facts.channels == 1 and getattr(jitter, field):
            yield Problem((*where, "color_jitter", field), "gray images have no colors to change")


def _split(spec: Spec) -> Iterator[Problem]:
    """Check the validation split, and that a minibatch fits into the other images."""
    images, held_out = spec.dataset.train_images, spec.dataset.validation_size
    if images is None:
        return
    if held_out is not None and images < 1:
        yield Problem(
            ("dataset", "validation_size"),
            f"got {held_out}, expected fewer than the {images + held_out} training images",
        )
    elif spec.training.batch_size > images:
        yield Problem(
            ("training", "batch_size"),
            f"got {spec.training.batch_size}, expected at most the {images} images",
        )
    classes = spec.dataset.facts.classes
    yield from one_per_class(("dataset", "validation_size"), held_out, classes)


def one_per_class(
    field: tuple[str, ...], count: int | None, classes: int | None
) -> Iterator[Problem]:
    """Check that there is an image of each class."""
    if count is not None and classes is not None and count < classes:
        yield Problem(field, f"got {count}, expected at least {classes} (one per class)")


def _schedule(spec: Spec) -> Iterator[Problem]:
    schedule, where = spec.training.schedule, ("training", "schedule")
    if schedule.warmup_steps >= spec.total_steps:
        yield Problem(
            (*where, "warmup_steps"),
            f"got {schedule.warmup_steps}, expected fewer than the {spec.total_steps} steps",
        )
    if schedule.name == "multistep" and not schedule.milestones:
        yield Problem((*where, "milestones"), "missing, multistep needs them")
    if schedule.name != "multistep" and schedule.milestones:
        yield Problem((*where, "milestones"), "only multistep takes milestones")
    if list(schedule.milestones) != sorted(set(schedule.milestones)):
        yield Problem(
            (*where, "milestones"), f"got {list(schedule.milestones)}, expected ascending order"
        )


def _grid(spec: Spec) -> Iterator[Problem]:
    grid, total, where = spec.kernel.checkpoints, spec.total_steps, ("kernel", "checkpoints")
    if total % grid.every:
        yield Problem(
            (*where, "every"), f"got {grid.every}, expected a divisor of the {total} steps"
        )
    elif total // grid.every < MIN_UNIFORM_INTERVALS:
        yield Problem(
            (*where, "every"),
            f"got {grid.every}, expected at most {total // MIN_UNIFORM_INTERVALS}: T* needs "
            f"{MIN_UNIFORM_INTERVALS} intervals",
        )
    elif total // grid.every > MAX_UNIFORM_INTERVALS:
        yield Problem(
            (*where, "every"),
            f"got {grid.every}, expected at least {-(-total // MAX_UNIFORM_INTERVALS)}: a "
            f"record holds at most {MAX_UNIFORM_INTERVALS} intervals",
        )
    else:
        yield from _stretch(spec)
    for step in grid.extra:
        if step >= total:
            yield Problem(
                (*where, "extra"), f"got step {step}, expected a step before {total}, the end"
            )


def _stretch(spec: Spec) -> Iterator[Problem]:
    stretch, every = constant_stretch(spec), spec.kernel.checkpoints.every
    if stretch is None or stretch[0] >= spec.total_steps:
        return
    start, end = stretch
    intervals = end // every - -(-start // every)
    if intervals < MIN_UNIFORM_INTERVALS:
        yield Problem(
            ("kernel", "checkpoints", "every"),
            f"got {every}, which gives {intervals} intervals at the first constant learning rate "
            f"(steps {start} to {end}); T* needs {MIN_UNIFORM_INTERVALS}",
        )


def _switching(spec: Spec) -> Iterator[Problem]:
    steps, where = spec.switching.steps, ("switching", "steps")
    yield from _each_once(where, steps, "step")
    points = [(where, step) for step in steps]
    if isinstance(spec.linearization.point, int):
        points.append((("linearization", "point"), spec.linearization.point))
    for field, step in points:
        if step >= spec.total_steps:
            yield Problem(
                field, f"got step {step}, expected a step before {spec.total_steps}, the end"
            )
        else:
            yield from _on_checkpoint(spec, field, step)


def _on_checkpoint(spec: Spec, field: tuple[str, ...], step: int) -> Iterator[Problem]:
    grid = spec.kernel.checkpoints
    if step % grid.every and step not in grid.extra:
        yield Problem(
            field,
            f"got step {step}, expected a checkpoint: a multiple of {grid.every}, or one of "
            "kernel.checkpoints.extra",
        )


def _model(spec: Spec) -> Iterator[Problem]:
    for key in sorted(spec.model.kwargs):
        if key in ARGUMENTS_SET_ELSEWHERE:
            source = ARGUMENTS_SET_ELSEWHERE[key]
            yield Problem(("model", "kwargs", key), f"not allowed here: {source} sets it")


def _optimizer(spec: Spec) -> Iterator[Problem]:
    optimizer = spec.training.optimizer
    if isinstance(optimizer, Sgd) and optimizer.nesterov and optimizer.momentum == 0:
        yield Problem(
            ("training", "optimizer", "nesterov"), "got true, which needs a momentum above 0"
        )
    if isinstance(optimizer, OtherOptimizer):
        for key in sorted(FACTORY_OPTIONS & set(optimizer.options)):
            yield Problem(
                ("training", "optimizer", "options", key),
                "not an argument of the optimizer itself",
            )


def _loss(spec: Spec) -> Iterator[Problem]:
    smoothing = spec.training.label_smoothing
    if smoothing > 0 and "mse" in (spec.training.loss, spec.linearization.loss):
        yield Problem(
            ("training", "label_smoothing"), f"got {smoothing}, only cross-entropy takes it"
        )


def _linearization(spec: Spec) -> Iterator[Problem]:
    rates, decay = spec.linearization.learning_rate, spec.linearization.weight_decay
    if isinstance(rates, tuple):
        yield from _each_once(("linearization", "learning_rate"), rates, "learning rate")
        if spec.dataset.validation_size is None:
            yield Problem(
                ("dataset", "validation_size"),
                "missing, needed to choose a rate from the list linearization.learning_rate",
            )
    optimizer = spec.training.optimizer
    if isinstance(optimizer, OtherOptimizer) and optimizer.weight_decay > 0 and decay != "none":
        yield Problem(
            ("linearization", "weight_decay"),
            f"got {decay!r}, expected 'none': conebench does not know how {optimizer.name} "
            "applies weight decay",
        )
    if isinstance(optimizer, OtherOptimizer) and spec.linearization.optimizer_state == "carry":
        yield Problem(
            ("linearization", "optimizer_state"),
            f"got 'carry', expected 'reset': conebench does not know the state of {optimizer.name}",
        )


def _kernel(spec: Spec) -> Iterator[Problem]:
    images, classes = spec.dataset.train_images, spec.dataset.facts.classes
    if spec.kernel.outputs is None:
        yield Problem(("kernel", "outputs"), f"missing, {spec.dataset.name} needs it")
    if images is not None and 0 < images < spec.kernel.samples:
        yield Problem(
            ("kernel", "samples"),
            f"got {spec.kernel.samples}, expected at most the {images} training images",
        )
    if images is not None and images > 0:
        yield from calibration_problems(spec, images)
    yield from one_per_class(("kernel", "samples"), spec.kernel.samples, classes)


def calibration_problems(spec: Spec, images: int) -> Iterator[Problem]:
    """Check that there are enough images to re-estimate BatchNorm on, where a stage does so."""
    count, kernel, linearization = spec.kernel.calibration_samples, spec.kernel, spec.linearization
    is_used = "recalibrated" in (kernel.batchnorm, linearization.batchnorm) or spec.chaos
    if is_used and images < count:
        yield Problem(
            ("kernel", "calibration_samples"),
            f"got {count}, expected at most the {images} training images to re-estimate BatchNorm "
            f"on; set kernel.calibration_samples: {images}",
        )


def _chaos(spec: Spec) -> Iterator[Problem]:
    if spec.chaos is None or spec.training.steps is None:
        return
    pairs, where = spec.chaos.pairs, ("chaos", "pairs")
    yield from _each_once(where, pairs, "pair")
    for t0, t1 in dict.fromkeys(pairs):
        if t0 >= t1:
            yield Problem(where, f"got [{t0}, {t1}], expected t0 before t1")
    for step in sorted({step for pair in pairs for step in pair}):
        if step > spec.total_steps:
            yield Problem(
                where, f"got step {step}, expected a step up to {spec.total_steps}, the end"
            )
        else:
            yield from _on_checkpoint(spec, where, step)


def _each_once(field: tuple[str, ...], values: Sequence[object], what: str) -> Iterator[Problem]:
    if len(set(values)) != len(values):
        yield Problem(field, f"got {shown(values)}, expected each {what} once")
