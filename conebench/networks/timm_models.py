"""From a timm name to a seeded network; the only module that imports timm."""

import difflib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import timm
import timm.optim
import torch
from torch import nn

from conebench.errors import DataMissingError, SpecError
from conebench.networks.cifar import CifarResNet, CifarVgg16, PixelMlp

EntryPointT = TypeVar("EntryPointT", bound=Callable[..., nn.Module])

__all__ = [
    "cifar_resnet8",
    "cifar_resnet20",
    "cifar_resnet32",
    "cifar_vgg16_bn",
    "make_model",
    "pixel_mlp",
]


def make_model(
    name: str, kwargs: dict[str, Any], *, pretrained: bool, classes: int, channels: int, seed: int
) -> nn.Module:
    """A timm classification model in training mode, initialized from `seed`.

    The global random state is left as it was. Raises a SpecError for an unknown name or arguments
    that the model does not take, a DataMissingError for pretrained weights that are neither
    cached nor to be downloaded.
    """
    check_name(name)
    if pretrained and not timm.is_model_pretrained(name):
        raise SpecError(f"model.name: timm has no pretrained weights for {name!r}")

    def create(weights: bool) -> nn.Module:
        model: nn.Module = timm.create_model(
            name, pretrained=weights, num_classes=classes, in_chans=channels, **kwargs
        )
        return model.train()

    with torch.random.fork_rng(), _quiet("timm"), _quiet("huggingface_hub"):
        torch.manual_seed(seed)
        try:
            model = create(weights=False)
        except Exception as error:  # noqa: BLE001  # any model file may raise anything
            raise SpecError(f"model: timm cannot make {name!r}: {first_line(error)}") from None
        if not pretrained:
            return model
        torch.manual_seed(seed)
        try:
            with _without_pickled_code():
                return create(weights=True)
        except Exception as error:  # noqa: BLE001  # hub, network and file errors of many kinds
            raise DataMissingError(
                f"pretrained weights of {name!r} are neither cached nor to be downloaded "
                f"({first_line(error)}); put them into the Hugging Face cache (HF_HOME)"
            ) from None


def make_timm_optimizer(
    name: str, parameters: Sequence[nn.Parameter], options: dict[str, Any]
) -> torch.optim.Optimizer:
    """An optimizer of timm's factory over the parameters, one group.

    Raises a SpecError for an unknown name, options that it does not take, or a package it lacks.
    """
    known = timm.optim.list_optimizers()
    if name not in known:
        hint = _did_you_mean(name, known)
        raise SpecError(f"training.optimizer.name: got {name!r}, expected timm's optimizers{hint}")
    try:
        optimizer: torch.optim.Optimizer = timm.optim.create_optimizer_v2(
            parameters, opt=name, **options
        )
    except Exception as error:  # noqa: BLE001  # any optimizer may raise anything
        raise SpecError(
            f"training.optimizer: timm cannot make {name!r}: {first_line(error)}"
        ) from None
    return optimizer


@contextmanager
def _quiet(logger_name: str) -> Iterator[None]:
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _without_pickled_code() -> Iterator[None]:
    """Files of weights bring tensors alone, whatever way of timm's they are read in."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def check_name(name: str) -> None:
    """Raise a SpecError, with the nearest names, where timm knows no model of this name."""
    if timm.is_model(name.partition(".")[0]):
        return
    hint = _did_you_mean(name, timm.list_models())
    raise SpecError(f"model.name: got {name!r}, expected timm's models{hint}")


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def classifier_parameters(model: nn.Module) -> set[str]:
    """Names of the last layer's parameters (timm's `get_classifier`)."""
    heads = model.get_classifier()  # type: ignore[operator]
    modules = heads if isinstance(heads, tuple | list) else (heads,)
    owned = {id(p) for module in modules for p in module.parameters()}
    return {name for name, p in model.named_parameters() if id(p) in owned}


def first_line(error: Exception) -> str:
    """First line of an error's text, its class name where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def register_model(entry_point: EntryPointT) -> EntryPointT:
    """`timm.models.register_model`, typed."""
    timm.models.register_model(entry_point)
    return entry_point


def _own_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    # timm hands these to every entry point; they concern weights, of which these have none.
    timms = {"pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"}
    return {name: value for name, value in kwargs.items() if name not in timms}


@register_model
def cifar_resnet8(pretrained: bool = False, **kwargs: Any) -> CifarResNet:  # noqa: ARG001
    """ResNet-8 for small images: one block a stage."""
    return CifarResNet(blocks=1, **_own_arguments(kwargs))


@register_model
def cifar_resnet20(pretrained: bool = False, **kwargs: Any) -> CifarResNet:  # noqa: ARG001
    """ResNet-20 for 32x32 images, 0.27 M parameters at width 16."""
    return CifarResNet(blocks=3, **_own_arguments(kwargs))


@register_model
def cifar_resnet32(pretrained: bool = False, **kwargs: Any) -> CifarResNet:  # noqa: ARG001
    """ResNet-32 for 32x32 images, 0.46 M parameters at width 16."""
    return CifarResNet(blocks=5, **_own_arguments(kwargs))


@register_model
def cifar_vgg16_bn(pretrained: bool = False, **kwargs: Any) -> CifarVgg16:  # noqa: ARG001
    """VGG-16 for 32x32 images, 14.7 M parameters; with BatchNorm unless `norm` says otherwise."""
    return CifarVgg16(**_own_arguments(kwargs))


@register_model
def pixel_mlp(pretrained: bool = False, **kwargs: Any) -> PixelMlp:  # noqa: ARG001
    """Two hidden layers of 256 ReLU units on the pixels of 32x32 images."""
    return PixelMlp(**_own_arguments(kwargs))
