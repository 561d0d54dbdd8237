"""Networks and optimizers by timm name.

The only module that imports timm.
"""

import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import timm
import timm.optim
import torch
from timm.models.mlp_mixer import MlpMixer
from torch import nn

from conebench.environment import variable_set
from conebench.errors import DataMissingError, SpecError
from conebench.networks.cifar import CifarResNet, CifarVgg16, PixelMlp
from conebench.spec.model_names import model_hint
from conebench.spec.optimizers import unknown_optimizer
from conebench.text import first_line

EntryPointT = TypeVar("EntryPointT", bound=Callable[..., nn.Module])

__all__ = [
    "cifar_resnet8",
    "cifar_resnet20",
    "cifar_resnet32",
    "cifar_vgg16_bn",
    "make_model",
    "pixel_mlp",
    "small_mixer",
]


def make_model(
    name: str, kwargs: dict[str, Any], *, pretrained: bool, classes: int, channels: int, seed: int
) -> nn.Module:
    """Make a timm classification model in training mode.

    The global random state is left as it was.

    Args:
        name: timm's name of the model.
        kwargs: arguments of the model.
        pretrained: True for timm's weights.
        classes: number of classes.
        channels: channels of the images.
        seed: seed of the initialization.

    Raises:
        SpecError: an unknown name, or arguments that the model does not take.
        DataMissingError: pretrained weights are not cached and cannot be downloaded.

    """
    check_name(name)
    if pretrained and not timm.is_model_pretrained(name):
        raise SpecError(f"timm has no pretrained weights for {name!r}", field="model.name")

    def create(weights: bool) -> nn.Module:
        model: nn.Module = timm.create_model(
            name, pretrained=weights, num_classes=classes, in_chans=channels, **kwargs
        )
        return model.train()

    # timm logs what it loads and from where.
    with torch.random.fork_rng(), _quiet("timm"), _quiet("huggingface_hub"):
        torch.manual_seed(seed)
        try:
            model = create(weights=False)
        except Exception as error:  # noqa: BLE001  # any model file may raise anything
            message = f"timm cannot make {name!r}: {first_line(error)}"
            raise SpecError(message, field="model") from None
        if not pretrained:
            return model
        # Weights of another number of classes leave the last layer to the seed.
        torch.manual_seed(seed)
        try:
            # timm reads files in several ways, and some of them would run pickled code.
            with variable_set("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1"):
                return create(weights=True)
        except Exception as error:  # noqa: BLE001  # hub, network and file errors of many kinds
            raise DataMissingError(
                f"pretrained weights of {name!r} are neither cached nor to be downloaded "
                f"({first_line(error)}); put them into the Hugging Face cache (HF_HOME)"
            ) from None


def make_timm_optimizer(
    name: str, parameters: Sequence[nn.Parameter], options: dict[str, Any]
) -> torch.optim.Optimizer:
    """Make an optimizer of timm's over one group of parameters.

    Raises:
        SpecError: an unknown name, options that it does not take, or a package it lacks.

    """
    known = list_optimizers()
    if name not in known:
        raise SpecError(unknown_optimizer(name, known), field="training.optimizer.name")
    try:
        optimizer: torch.optim.Optimizer = timm.optim.create_optimizer_v2(
            parameters, opt=name, **options
        )
    except Exception as error:  # noqa: BLE001  # any optimizer may raise anything
        raise SpecError(
            f"timm cannot make {name!r}: {first_line(error)}", field="training.optimizer"
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


def check_name(name: str) -> None:
    """Raise a SpecError if timm has no such model."""
    # A name may be followed by a dot and the name of pretrained weights.
    if timm.is_model(name.partition(".")[0]):
        return
    hint = model_hint(name)
    raise SpecError(
        f"got {name!r}, expected a model of timm, conebench or --import{hint}", field="model.name"
    )


def list_models() -> dict[str, tuple[str, ...]]:
    """Return the arguments of each model of conebench. Empty for timm's."""
    own = {name: _arguments(globals()[name]) for name in __all__ if name != "make_model"}
    return {name: own.get(name, ()) for name in sorted({*timm.list_models(), *own})}


def list_optimizers() -> list[str]:
    """Return the names of timm's optimizers."""
    names: list[str] = timm.optim.list_optimizers()
    return names


def _arguments(made_by: Callable[..., nn.Module]) -> tuple[str, ...]:
    """Return what a spec may give. The data decide the rest."""
    network = inspect.get_annotations(made_by)["return"]
    given = {"num_classes", "in_chans", "blocks"}
    return tuple(name for name in inspect.signature(network).parameters if name not in given)


def entry_point(name: str) -> Callable[..., nn.Module]:
    """Return the function that makes a model. Raise a SpecError if timm has no such model."""
    check_name(name)
    made_by: Callable[..., nn.Module] = timm.model_entrypoint(name.partition(".")[0])
    return made_by


def classifier_parameters(model: nn.Module) -> set[str]:
    """Return the names of the last layer's parameters."""
    # Distilled models have two.
    heads = model.get_classifier()  # type: ignore[operator]
    modules = heads if isinstance(heads, tuple | list) else (heads,)
    # By identity: a parameter may be registered under several names.
    owned = {id(p) for module in modules for p in module.parameters()}
    return {name for name, p in model.named_parameters() if id(p) in owned}


def register_model(entry_point: EntryPointT) -> EntryPointT:
    """Call `timm.models.register_model`, typed."""
    timm.models.register_model(entry_point)
    return entry_point


def _own_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    # timm passes these to every entry point; they concern weights, and these networks have none.
    timms = {"pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"}
    return {name: value for name, value in kwargs.items() if name not in timms}


@register_model
def cifar_resnet8(pretrained: bool = False, **kwargs: Any) -> CifarResNet:  # noqa: ARG001
    """Make a ResNet-8, one block per stage."""
    return CifarResNet(blocks=1, **_own_arguments(kwargs))


@register_model
def cifar_resnet20(pretrained: bool = False, **kwargs: Any) -> CifarResNet:  # noqa: ARG001
    """Make a ResNet-20, 0.27 M parameters at width 16."""
    return CifarResNet(blocks=3, **_own_arguments(kwargs))


@register_model
def cifar_resnet32(pretrained: bool = False, **kwargs: Any) -> CifarResNet:  # noqa: ARG001
    """Make a ResNet-32, 0.46 M parameters at width 16."""
    return CifarResNet(blocks=5, **_own_arguments(kwargs))


@register_model
def cifar_vgg16_bn(pretrained: bool = False, **kwargs: Any) -> CifarVgg16:  # noqa: ARG001
    """Make a VGG-16, 14.7 M parameters, by default with BatchNorm.

    `head: [4096, 4096]` makes it 33.6 M.
    """
    return CifarVgg16(**_own_arguments(kwargs))


@register_model
def pixel_mlp(pretrained: bool = False, **kwargs: Any) -> PixelMlp:  # noqa: ARG001
    """Make an MLP with two hidden layers of 256 units."""
    return PixelMlp(**_own_arguments(kwargs))


@register_model
def small_mixer(pretrained: bool = False, **kwargs: Any) -> MlpMixer:  # noqa: ARG001
    """Make a small MLP-Mixer of timm's, with patches of 4 pixels."""
    # timm's own entry points fix patches of 16 or 32 pixels.
    small = {"img_size": 32, "patch_size": 4, "num_blocks": 3, "embed_dim": 48}
    return MlpMixer(**(small | _own_arguments(kwargs)))
