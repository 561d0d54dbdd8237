"""Layers whose gradient is a sum of outer products.

A rule brings a layer's input x and the gradient y of its output into one normal form,

    inputs    a [n, g, s, p]   n samples, g groups, s positions, p inputs of one output
    gradient  b [n, g, q, s]   q outputs of one group, for one direction in logit space

such that the weight's gradient for sample i is sum_s b[i, g, :, s] (x) a[i, g, s, :] for each
group, and the bias's is sum_s b[i, g, :, s].
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

InputSide = Callable[[nn.Module, Tensor, int], Tensor]
GradientSide = Callable[[nn.Module, Tensor, int], Tensor]


class NoRuleError(ValueError):
    """A layer or input that no rule covers."""


def layer_inputs(module: nn.Module, x: Tensor, n: int) -> Float[Tensor, "n g s p"]:
    """Return a layer's input in normal form.

    x has n rows, or n * k with k consecutive rows per sample.
    """
    return _rule(module)[0](module, x, n)


def channel_axis(module: nn.Module) -> int:
    """Return the channel axis of a layer's input."""
    return 1 if isinstance(module, nn.Conv2d) else -1


def layer_gradient(module: nn.Module, y: Tensor, n: int) -> Float[Tensor, "n g q s"]:
    """Return an output's gradient in normal form, a view."""
    return _rule(module)[1](module, y, n)


def channels_of(module: nn.Module, x: Tensor, channels: slice) -> Tensor:
    """Return some channels of an ungrouped layer's input."""
    # The layer's rule applies to them as to all.
    return x[:, channels] if channel_axis(module) == 1 else x[..., channels]


def is_layer(module: nn.Module) -> bool:
    """Return True for layers of the kinds that have rules."""
    return isinstance(module, tuple(RULES))


def has_rule(module: nn.Module) -> bool:
    """Return True if a rule may cover this module."""
    return is_layer(module) and not _is_changed(module)


def _is_changed(module: nn.Module) -> bool:
    """Return True if something that a user wrote acts within a layer."""
    # What it does to two samples says nothing of others, such as those that it clips.
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    forward = vars(module).get("forward", type(module).forward)
    return any(map(_is_foreign, (forward, *(hook for kind in hooks for hook in kind.values()))))


def _is_foreign(function: object) -> bool:
    package = (getattr(function, "__module__", None) or "").partition(".")[0]
    return package not in KNOWN_PACKAGES


def weight_gradient(
    a: Float[Tensor, "n g s p"], b: Float[Tensor, "n g q s"]
) -> Float[Tensor, "n g q p"]:
    """Compute a weight's gradient in normal form."""
    # sum_s b[:, g, :, s] (x) a[:, g, s, :], per sample and group
    n, g, s, p = a.shape
    q = b.shape[2]
    if p == q == 1:
        # Scales: one product per position instead of matrices of one row and one column.
        return (a[..., 0] * b[:, :, 0]).sum(-1)[..., None, None]
    return torch.bmm(b.reshape(n * g, q, s), a.reshape(n * g, s, p)).view(n, g, q, p)


def weight_shaped(module: nn.Module, gradient: Float[Tensor, "g q p"]) -> Tensor:
    """Return a gradient in the shape of the weight."""
    weight = module.get_parameter("weight")
    if isinstance(module, nn.Conv2d):
        groups, outputs, _ = gradient.shape
        kh, kw = module.kernel_size
        # [g, q, kh kw p] -> [g, q, p, kh, kw]
        gradient = gradient.reshape(groups, outputs, kh, kw, -1).permute(0, 1, 4, 2, 3)
    return gradient.reshape(weight.shape)


def _rule(module: nn.Module) -> tuple[InputSide, GradientSide]:
    for kind, rule in RULES.items():
        if isinstance(module, kind):
            return rule
    raise NoRuleError(f"no rule for {type(module).__name__}")


def _linear_inputs(_: nn.Module, x: Tensor, n: int) -> Tensor:
    # [n, 1, s, p]
    return x.reshape(n, 1, -1, x.shape[-1])


def _linear_gradient(_: nn.Module, y: Tensor, n: int) -> Tensor:
    # [n, 1, q, s]
    return y.reshape(n, 1, -1, y.shape[-1]).transpose(2, 3)


def _conv2d_inputs(module: nn.Module, x: Tensor, n: int) -> Tensor:
    """Return a convolution's patches [n, g, s, kh kw p]."""
    if not isinstance(module, nn.Conv2d) or x.ndim != 4:
        raise NoRuleError("a convolution of another kind")
    if module.padding_mode != "zeros" or isinstance(module.padding, str) or len(x) != n:
        raise NoRuleError("padding by name or mode, or rows that are no samples")
    (kh, kw), (dh, dw), (sh, sw) = module.kernel_size, module.dilation, module.stride
    (ph, pw), groups, channels = module.padding, module.groups, x.shape[1]
    # Channels last: [n, height, width, channels].
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, pw, pw, ph, ph)).contiguous()
    _, height, width, _ = padded.shape
    rows = (height - dh * (kh - 1) - 1) // sh + 1
    columns = (width - dw * (kw - 1) - 1) // sw + 1
    of_sample, of_row, of_column, _ = padded.stride()
    p = channels // groups
    # A copy of an overlapping view is twice as fast as `F.unfold` on a CPU.
    view = padded.as_strided(
        (n, groups, rows, columns, kh, kw, p),
        (of_sample, p, sh * of_row, sw * of_column, dh * of_row, dw * of_column, 1),
    )
    return view.reshape(n, groups, rows * columns, kh * kw * p)


def _conv2d_gradient(module: nn.Module, y: Tensor, n: int) -> Tensor:
    if not isinstance(module, nn.Conv2d):
        raise NoRuleError("a convolution of another kind")
    # [n, g q, h, w] -> [n, g, q, s]
    return y.reshape(n, module.groups, y.shape[1] // module.groups, -1)


def _batch_norm_inputs(module: nn.Module, x: Tensor, n: int) -> Tensor:
    mean, var, eps = module.running_mean, module.running_var, module.eps
    if not isinstance(mean, Tensor) or not isinstance(var, Tensor) or len(x) != n:
        raise NoRuleError("statistics of the batch, or rows that are no samples")
    shape = (-1,) + (1,) * (x.ndim - 2)
    normalized = (x - mean.view(shape)) * (var + eps).rsqrt().view(shape)  # type: ignore[operator]
    # [n, channels, s, 1]: each channel is a group with one input.
    return normalized.reshape(n, x.shape[1], -1, 1)


def _channel_gradient(_: nn.Module, y: Tensor, n: int) -> Tensor:
    # [n, channels, ...] -> [n, channels, 1, s]
    return y.reshape(n, y.shape[1], 1, -1)


def _group_norm_inputs(module: nn.Module, x: Tensor, n: int) -> Tensor:
    if not isinstance(module, nn.GroupNorm) or len(x) != n:
        raise NoRuleError("rows that are no samples")
    normalized = F.group_norm(x, module.num_groups, None, None, module.eps)
    # [n, channels, s, 1]
    return normalized.reshape(n, x.shape[1], -1, 1)


def _layer_norm_inputs(module: nn.Module, x: Tensor, n: int) -> Tensor:
    if not isinstance(module, nn.LayerNorm):
        raise NoRuleError("a norm of another kind")
    normalized = F.layer_norm(x, module.normalized_shape, None, None, module.eps)
    # [n, d, s, 1]
    return _last_axes(module, normalized, n)[..., None]


def _layer_norm_gradient(module: nn.Module, y: Tensor, n: int) -> Tensor:
    # [n, d, 1, s]
    return _last_axes(module, y, n)[:, :, None]


def _last_axes(module: nn.Module, x: Tensor, n: int) -> Tensor:
    # [n, ..., d] -> [n, d, s]; d counts all normalized axes.
    size = int(torch.Size(module.normalized_shape).numel())  # type: ignore[arg-type]
    return x.reshape(n, -1, size).transpose(1, 2)


# Their layers do what their normal form says for every input.
KNOWN_PACKAGES = ("torch", "timm", "conebench")

RULES: dict[type[nn.Module], tuple[InputSide, GradientSide]] = {
    nn.Linear: (_linear_inputs, _linear_gradient),
    nn.Conv2d: (_conv2d_inputs, _conv2d_gradient),
    nn.BatchNorm1d: (_batch_norm_inputs, _channel_gradient),
    nn.BatchNorm2d: (_batch_norm_inputs, _channel_gradient),
    nn.GroupNorm: (_group_norm_inputs, _channel_gradient),
    nn.LayerNorm: (_layer_norm_inputs, _layer_norm_gradient),
}
