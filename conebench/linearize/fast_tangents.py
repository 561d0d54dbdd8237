"""Shorter forward-mode rules for a few operators.

Results equal torch's up to rounding. Torch computes a product or sum of a dual tensor and a
constant in Python (0.1 to 0.2 ms a call), the tangent of a norm in a dozen passes over the
activations, that of a linear layer in three terms added afterwards, and GELU's derivative once per
direction. Of a convolution it keeps more than the gradients need.

In comments and formulas x' is the tangent of x. A rule returns None where torch's own applies.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode

from conebench.networks.modes import is_transformed

Arguments = tuple[Any, ...]

PRODUCTS = (torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__)
QUOTIENTS = (torch.div, Tensor.div, Tensor.__truediv__)
SUMS = (torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__)


def make_dual(value: Tensor, tangent: Tensor) -> Tensor:
    """Call `forward_ad.make_dual`, typed."""
    dual: Tensor = forward_ad.make_dual(value, tangent)  # type: ignore[no-untyped-call]
    return dual


def unpack_dual(dual: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return value and tangent, None if there is no tangent."""
    value, tangent = forward_ad.unpack_dual(dual)  # type: ignore[no-untyped-call]
    return value, tangent


class ShortTangents(TorchFunctionMode):
    """Mode that replaces the forward-mode rules of operators in RULES.

    Those of products, quotients and sums of two operands too.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Arguments = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if is_transformed():
            # There a dual tensor is inside of another one.
            return func(*args, **kwargs)
        output, rule = None, RULES.get(func)
        if rule is not None:
            output = rule(*args, **kwargs)
        # Options such as `alpha` or `rounding_mode` are left to torch.
        elif len(args) == 2 and not kwargs:
            if func in PRODUCTS or func in QUOTIENTS:
                output = _product(func, *args)
            elif func in SUMS:
                output = _sum(func, *args)
        return func(*args, **kwargs) if output is None else output


def _parts(operand: Any) -> tuple[Any, Tensor | None]:
    return unpack_dual(operand) if isinstance(operand, Tensor) else (operand, None)


def _product(func: Callable[..., Any], first: Any, second: Any) -> Tensor | None:
    """Multiply or divide a dual tensor by a constant."""
    # The operation is linear in the dual tensor, so the tangent goes the same way.
    (a, a_tangent), (b, b_tangent) = _parts(first), _parts(second)
    if a_tangent is not None and b_tangent is None:
        return make_dual(func(a, b), func(a_tangent, b))
    if b_tangent is not None and a_tangent is None and func in PRODUCTS:
        return make_dual(func(a, b), func(a, b_tangent))
    return None


def _sum(func: Callable[..., Any], first: Any, second: Any) -> Tensor | None:
    """Add a constant to a dual tensor."""
    (a, a_tangent), (b, b_tangent) = _parts(first), _parts(second)
    tangent = b_tangent if a_tangent is None else a_tangent
    if tangent is None or (a_tangent is not None and b_tangent is not None):
        return None
    value = func(a, b)
    # A constant may enlarge the tensor: that is torch's. The tangent is copied, since an operator
    # that changes the sum in place changes its tangent too.
    is_alike = value.shape == tangent.shape and value.dtype == tangent.dtype
    return make_dual(value, tangent.clone()) if is_alike else None


def _linear(
    input: Tensor,  # noqa: A002  # the name of torch's argument
    weight: Tensor,
    bias: Tensor | None = None,
) -> Tensor | None:
    """Compute x W^T + b with tangent x' W^T + x W'^T + b'."""
    (x, x_tangent), (W, W_tangent) = unpack_dual(input), unpack_dual(weight)
    b, b_tangent = (None, None) if bias is None else unpack_dual(bias)
    if x.dim() < 2 or W.dim() != 2:
        return None
    # Pairs of [n s, p] and [p, q].
    products = [
        (left.flatten(0, -2), right.T)
        for left, right in ((x_tangent, W), (x, W_tangent))
        if left is not None and right is not None
    ]
    if not products:
        return None
    first, *others = products
    # Each product is added to what is there, without a pass of its own for the sum.
    tangent = torch.mm(*first) if b_tangent is None else torch.addmm(b_tangent, *first)
    for product in others:
        tangent = torch.addmm(tangent, *product)
    value = F.linear(x, W, b)
    return make_dual(value, tangent.view_as(value))


def _weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """A normalized weight, g v / ||v||: torch's kernel for it has no tangents."""
    return v * (g / torch.norm_except_dim(v, 2, dim))


def _gelu(input: Tensor, approximate: str = "none") -> Tensor | None:  # noqa: A002
    """Compute GELU, its derivative only once."""
    x, x_tangent = unpack_dual(input)
    if x_tangent is None:
        return None
    # GELU'(x), as its backward pass for a gradient of ones.
    ones = torch.ones((), dtype=x.dtype, device=x.device).expand_as(x)
    derivative = torch.ops.aten.gelu_backward(ones, x, approximate=approximate)
    return make_dual(F.gelu(x, approximate=approximate), x_tangent * derivative)


def _convolution(
    input: Tensor,  # noqa: A002  # the name of torch's argument
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor | None:
    """Compute W * x + b with tangent W * x' + W' * x + b'."""
    (x, x_tangent), (W, W_tangent) = unpack_dual(input), unpack_dual(weight)
    b, b_tangent = (None, None) if bias is None else unpack_dual(bias)
    # On a CPU torch.convolution takes no complex numbers, which F.conv2d does.
    if x_tangent is None or isinstance(padding, str) or x.dim() != W.dim() or x.is_complex():
        return None
    sizes = ([n] if isinstance(n, int) else list(n) for n in (stride, padding, dilation))
    # The last three: not transposed, no output padding, groups.
    options: Arguments = (*sizes, False, [0] * (W.dim() - 2), groups)
    value = torch.convolution(x, W, b, *options)
    tangent: Tensor = _Convolved.apply(x_tangent, W_tangent, b_tangent, x, W, options)
    return make_dual(value, tangent)


class _Convolved(torch.autograd.Function):
    """The linear map of x', W', b', which keeps x and W.

    Its adjoint is the ordinary backward pass of the convolution at x and W. Torch's own rule keeps
    x' too, which no gradient needs.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x_tangent: Tensor,
        W_tangent: Tensor | None,
        b_tangent: Tensor | None,
        x: Tensor,
        W: Tensor,
        options: Arguments,
    ) -> Tensor:
        ctx.save_for_backward(x, W)
        ctx.options = options
        tangent = torch.convolution(x_tangent, W, b_tangent, *options)
        return (
            tangent
            if W_tangent is None
            else tangent + torch.convolution(x, W_tangent, None, *options)
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, W = ctx.saved_tensors
        mask = ctx.needs_input_grad[:3]
        found = torch.ops.aten.convolution_backward(
            gradients[0], x, W, [len(W)], *ctx.options, mask
        )
        # In float32 the gradient of W comes with that of b, wanted or not.
        wanted = (
            gradient if is_wanted else None for gradient, is_wanted in zip(found, mask, strict=True)
        )
        return *wanted, None, None, None


@dataclass(frozen=True)
class _Norm:
    """A norm gamma x_hat + beta over some axes, by torch's kernels.

    `forward(x, gamma, beta)` returns the value, mean and 1 / sigma; `backward(gradient, x, mean,
    1 / sigma, gamma, mask)` the gradients of x, gamma, beta; `scale(gamma)` is gamma in the shape
    of the activations.
    """

    forward: Callable[[Tensor, Tensor | None, Tensor | None], tuple[Tensor, Tensor, Tensor]]
    backward: Callable[..., tuple[Tensor, Tensor, Tensor]]
    scale: Callable[[Tensor], Tensor]


def _layer_norm(
    input: Tensor,  # noqa: A002  # the name of torch's argument
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor | None:
    shape = list(normalized_shape)

    def backward(g: Tensor, x: Tensor, mean: Tensor, inverse: Tensor, *others: Any) -> Any:
        gamma, mask = others
        # gamma stands for beta, of which only the shape is used.
        return torch.ops.aten.native_layer_norm_backward(
            g, x, shape, mean, inverse, gamma, gamma, mask
        )

    norm = _Norm(
        lambda x, gamma, beta: torch.native_layer_norm(x, shape, gamma, beta, eps),
        backward,
        lambda gamma: gamma,
    )
    return _normalized(norm, input, weight, bias)


def _group_norm(
    input: Tensor,  # noqa: A002  # the name of torch's argument
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor | None:
    # The shape, not the tensor, so that the rule does not keep x alive as long as the graph.
    n, channels, *others = input.shape
    sizes = (n, channels, math.prod(others), num_groups)

    def backward(g: Tensor, x: Tensor, mean: Tensor, inverse: Tensor, *rest: Any) -> Any:
        gamma, mask = rest
        return torch.ops.aten.native_group_norm_backward(
            g.contiguous(), x, mean, inverse, gamma, *sizes, mask
        )

    norm = _Norm(
        lambda x, gamma, beta: torch.native_group_norm(x, gamma, beta, *sizes, eps),
        backward,
        lambda gamma: gamma.view(-1, *[1] * len(others)),
    )
    return _normalized(norm, input, weight, bias)


def _normalized(
    norm: _Norm,
    input: Tensor,  # noqa: A002  # the name of torch's argument
    weight: Tensor | None,
    bias: Tensor | None,
) -> Tensor | None:
    """Compute a norm gamma x_hat + beta and its tangent.

    The tangent is gamma x_hat' + gamma' x_hat + beta' with
    x_hat' = (x' - mean(x') - x_hat mean(x_hat x')) / sigma, which is self-adjoint in x'.
    """
    x, x_tangent = unpack_dual(input)
    gamma, gamma_tangent = (None, None) if weight is None else unpack_dual(weight)
    beta, beta_tangent = (None, None) if bias is None else unpack_dual(bias)
    others = [part for part in (gamma, beta) if part is not None]
    if x_tangent is None or any(part.dtype != x.dtype for part in others):
        return None
    if gamma is None and beta is not None:
        return None  # torch's backward kernel has no gradient of beta without gamma
    x = x.contiguous()
    value, mean, inverse_sigma = norm.forward(x, gamma, beta)
    tangents = (x_tangent, gamma_tangent, beta_tangent)
    tangent: Tensor = _Normalized.apply(*tangents, x, mean, inverse_sigma, gamma, norm)
    return make_dual(value, tangent)


class _Normalized(torch.autograd.Function):
    """The linear map of x', gamma', beta', which keeps x.

    Its adjoint is the ordinary backward pass of the norm at x and gamma.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x_tangent: Tensor,
        gamma_tangent: Tensor | None,
        beta_tangent: Tensor | None,
        *constants: Any,
    ) -> Tensor:
        x, mean, inverse_sigma, gamma, norm = constants
        ctx.save_for_backward(x, mean, inverse_sigma, gamma)
        ctx.norm = norm
        # x_hat' is self-adjoint, so the backward pass without gamma computes it.
        mask = [True, False, False]
        tangent: Tensor = norm.backward(x_tangent, x, mean, inverse_sigma, None, mask)[0]
        if gamma is not None:
            tangent.mul_(norm.scale(gamma))
        if gamma_tangent is not None:
            # gamma' x_hat + beta'
            tangent += norm.forward(x, gamma_tangent, beta_tangent)[0]
        elif beta_tangent is not None:
            tangent += norm.scale(beta_tangent)
        return tangent

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        mask = list(ctx.needs_input_grad[:3])
        return *ctx.norm.backward(gradients[0], *ctx.saved_tensors, mask), *[None] * 5


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,  # noqa: ARG001  # torch's own rule if the numbers of heads differ
) -> Tensor | None:
    """Compute attention P v with tangent P' v + P v'.

    P = softmax(a q k^T + mask), and P' = P (S' - sum(P S')) with S' = a (q' k^T + q k'^T) + mask'.
    P is the only intermediate kept.
    """
    (q, q_t), (k, k_t), (v, v_t) = (unpack_dual(part) for part in (query, key, value))
    mask, mask_t = (None, None) if attn_mask is None else unpack_dual(attn_mask)
    four_axes = q.dim() == k.dim() == v.dim() == 4 and q.shape[:2] == k.shape[:2] == v.shape[:2]
    if q_t is None or k_t is None or v_t is None or dropout_p or is_causal or not four_axes:
        return None
    a = q.shape[-1] ** -0.5 if scale is None else scale
    # n images, h heads, s queries, t keys, d features: [n, h, s, d] -> [n h, s, d]
    q, q_t, k, k_t, v, v_t = (part.flatten(0, 1) for part in (q, q_t, k, k_t, v, v_t))
    scores = torch.bmm(a * q, k.mT)  # [n h, s, t]
    shape = (*query.shape[:2], *scores.shape[1:])
    if mask is not None:
        scores = scores.view(shape)  # [n, h, s, t], with which a mask broadcasts
        masked = (
            scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
        )
        scores = masked.flatten(0, 1)
    P = scores.softmax(-1)
    if mask is not None:
        # Torch gives zeros where all keys are masked.
        P = P.masked_fill(scores.amax(-1, keepdim=True) == -torch.inf, 0.0)
    # S' [n h, s, t]
    S_t = torch.baddbmm(torch.bmm(a * q_t, k.mT), a * q, k_t.mT)
    if mask_t is not None:
        S_t = (S_t.view(shape) + mask_t).flatten(0, 1)
    # P' v + P v' [n h, s, d]
    tangent = torch.baddbmm(torch.bmm(_Weighed.apply(S_t, P), v), P, v_t)
    heads = (*query.shape[:2], *tangent.shape[1:])
    return make_dual(torch.bmm(P, v).view(heads), tangent.view(heads))


class _Weighed(torch.autograd.Function):
    """The linear map of S', P (S' - sum(P S')), which keeps P.

    It is self-adjoint; torch's backward kernel of softmax computes it.
    """

    @staticmethod
    def forward(ctx: Any, tangent: Tensor, P: Tensor) -> Tensor:
        ctx.save_for_backward(P)
        return torch._softmax_backward_data(tangent, P, -1, P.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (P,) = ctx.saved_tensors
        return torch._softmax_backward_data(gradients[0], P, -1, P.dtype), None


RULES: dict[Callable[..., Any], Callable[..., Tensor | None]] = {
    F.gelu: _gelu,
    F.group_norm: _group_norm,
    F.layer_norm: _layer_norm,
    F.linear: _linear,
    F.scaled_dot_product_attention: _attention,
    torch._weight_norm: _weight_norm,
    torch.conv1d: _convolution,
    torch.conv2d: _convolution,
    torch.conv3d: _convolution,
}
