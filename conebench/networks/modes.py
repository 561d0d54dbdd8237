"""Settings for the time of a forward pass: parameters, modes, checkpoints."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, nn


@contextmanager
def parameters_at(
    own: Mapping[str, nn.Parameter], values: Mapping[str, Tensor], trainable: Collection[str] = ()
) -> Iterator[None]:
    """Give a network's own parameters other values, which all that holds on to them sees.

    Only the `trainable` ones ask for gradients meanwhile.
    """
    before = {name: (own[name].data, own[name].requires_grad) for name in values}
    try:
        for name, value in values.items():
            own[name].data = value
            own[name].requires_grad_(name in trainable)
        yield
    finally:
        for name, (value, asked) in before.items():
            own[name].data = value
            own[name].requires_grad_(asked)


def is_transformed() -> bool:
    """Return True inside a function that torch.func transforms, as `torch.vmap` does."""
    # Torch has no public way to ask.
    return torch._C._functorch.maybe_current_level() is not None


@contextmanager
def plain_mode() -> Iterator[None]:
    """Switch off inference mode, autocast and compilation."""
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(mode=False))
            stack.enter_context(torch.no_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


@contextmanager
def without_checkpoints() -> Iterator[None]:
    """Run checkpointed functions once, at once.

    A backward pass would run them a second time, when the parameters are no longer replaced.
    """
    stand_ins = {
        "CheckpointFunction": _NoCheckpoint,
        "_checkpoint_without_reentrant_generator": _no_checkpoint,
        "_checkpoint_without_reentrant_generator_impl": _no_checkpoint,
    }
    module = torch.utils.checkpoint
    with ExitStack() as stack:
        for name in stand_ins.keys() & vars(module).keys():
            stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, stand_ins[name])
        yield


class _NoCheckpoint:
    """Stand-in for torch's reentrant checkpoint."""

    @staticmethod
    def apply(function: Callable[..., Any], _: bool, *arguments: Any) -> Any:
        return function(*arguments)


def _no_checkpoint(*_: Any, **__: Any) -> Iterator[None]:
    # Nothing happens before and after the function.
    yield
