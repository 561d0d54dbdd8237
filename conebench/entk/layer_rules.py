"""Layers whose per-sample gradient is a sum of outer products: input times output gradient.

A rule brings a layer's input x and the gradients y of its output into one normal form,

    inputs     a [n, g, s, p]       n samples, g groups, s positions, p inputs of one output
    gradients  b [n, r, g, s, q]    r directions in logit space, q outputs of one group

such that the gradient of sample i in direction c is sum_s b[i, c, g, s, :] (x) a[i, g, s, :] for
each group. A bias is one more input that is always 1.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class NormalForm(NamedTuple):
    """Inputs and output gradients of one layer, as the module's docstring has them."""

    inputs: Float[Tensor, "n g s p"]
    gradients: Float[Tensor, "n r g s q"]


Rule = Callable[[nn.Module, Tensor, Tensor], NormalForm | None]


def normal_form(
    module: nn.Module, trained: Sequence[str], x: Tensor, y: Tensor
) -> NormalForm | None:
    """The normal form of a layer, None where no rule covers it.

    Args:
        module: the layer.
        trained: which of `weight` and `bias` are trained; the others are left out.
        x: its input, [n k, ...] for n samples, k rows of each in turn.
        y: gradients of its output, [n, r, ...].

    """
    form = RULES[type(module)](module, x, y)
    if form is None:
        return None
    columns = [form.inputs] if "weight" in trained else []
    if "bias" in trained:
        columns.append(form.inputs.new_ones(1).expand(*form.inputs.shape[:-1], 1))
    # A single column is taken as it is: the inputs of a convolution are large.
    inputs = columns[0] if len(columns) == 1 else torch.cat(columns, dim=-1)
    return NormalForm(inputs, form.gradients)


def gradients_by_name(
    module: nn.Module, trained: Sequence[str], gradient: Float[Tensor, "g q p"]
) -> dict[str, Tensor]:
    """Gradients of weight and bias, shaped as they are, from one in normal form."""
    found = {}
    if "bias" in trained:
        found["bias"] = gradient[..., -1].reshape_as(module.get_parameter("bias"))
        gradient = gradient[..., :-1]
    if "weight" in trained:
        found["weight"] = gradient.reshape_as(module.get_parameter("weight"))
    return found


def _linear(_: nn.Module, x: Tensor, y: Tensor) -> NormalForm:
    n, r = y.shape[:2]
    a = x.reshape(n, 1, -1, x.shape[-1])
    b = y.reshape(n, r, 1, -1, y.shape[-1])
    return NormalForm(a, b)


def _conv2d(module: nn.Module, x: Tensor, y: Tensor) -> NormalForm | None:
    if not isinstance(module, nn.Conv2d):
        return None
    if module.padding_mode != "zeros" or isinstance(module.padding, str) or len(x) != len(y):
        return None
    n, r, groups = *y.shape[:2], module.groups
    patches = F.unfold(
        x, module.kernel_size, module.dilation, module.padding, module.stride
    )  # [n, channels * kernel, positions]
    a = patches.reshape(n, groups, -1, patches.shape[-1]).transpose(2, 3)
    b = y.reshape(n, r, groups, y.shape[2] // groups, -1).transpose(3, 4)
    return NormalForm(a, b)


def _batch_norm(module: nn.Module, x: Tensor, y: Tensor) -> NormalForm | None:
    if not isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        return None
    mean, var = module.running_mean, module.running_var
    if mean is None or var is None or len(x) != len(y):
        return None
    n, r, channels = y.shape[:3]
    flat = x.reshape(n, channels, -1)
    normalized = (flat - mean[:, None]) / (var[:, None] + module.eps).sqrt()
    return NormalForm(normalized[..., None], y.reshape(n, r, channels, -1, 1))


def _group_norm(module: nn.Module, x: Tensor, y: Tensor) -> NormalForm | None:
    if not isinstance(module, nn.GroupNorm) or len(x) != len(y):
        return None
    n, r, channels = y.shape[:3]
    normalized = F.group_norm(x, module.num_groups, None, None, module.eps)
    return NormalForm(normalized.reshape(n, channels, -1, 1), y.reshape(n, r, channels, -1, 1))


def _layer_norm(module: nn.Module, x: Tensor, y: Tensor) -> NormalForm | None:
    if not isinstance(module, nn.LayerNorm):
        return None
    n, r = y.shape[:2]
    size = int(torch.Size(module.normalized_shape).numel())
    normalized = F.layer_norm(x, module.normalized_shape, None, None, module.eps)
    a = normalized.reshape(n, -1, size).transpose(1, 2)[..., None]
    b = y.reshape(n, r, -1, size).transpose(2, 3)[..., None]
    return NormalForm(a, b)


RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv2d,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.GroupNorm: _group_norm,
    nn.LayerNorm: _layer_norm,
}
