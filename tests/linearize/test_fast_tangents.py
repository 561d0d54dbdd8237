"""conebench.linearize.fast_tangents: values, tangents and gradients equal torch's in float64."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from conebench.linearize.fast_tangents import ShortTangents, make_dual, unpack_dual


def drawn(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def attended(x: Tensor, gamma: Tensor, **options: object) -> Tensor:
    """Attention of two images and three heads, all different."""
    q = torch.stack([x, gamma * x]).repeat(1, 3, 1, 1).view(2, 3, 3, 4)
    return F.scaled_dot_product_attention(q, 2 * q.flip(0) + x, q * q, **options)


def convolved(x: Tensor, W: Tensor, bias: Tensor | None = None, **options: object) -> Tensor:
    """A 1 x 2 convolution of three images of 2 x 2 pixels, two channels out."""
    return F.conv2d(x.view(3, 1, 2, 2), W.view(2, 1, 1, 2), bias, **options).flatten(1)


C = drawn(1, 3, 4)
ROW = drawn(2, 4)
# Functions of a dual x [3, 4] and a dual gamma [4].
FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "times a number": lambda x, _: x * 2.5,
    "number first": lambda x, _: 2.5 * x,
    "times a tensor": lambda x, _: x * C,
    "tensor first": lambda x, _: torch.mul(C, x),
    "method": lambda x, _: x.mul(ROW),
    "enlarged": lambda _, gamma: gamma * C,
    "both dual": lambda x, gamma: x * gamma + x * x,
    "over a number": lambda x, _: x / 2.5,
    "over a tensor": lambda x, _: torch.div(x, C),
    "number over it": lambda x, _: 2.5 / (x + 9),
    "tensor over it": lambda x, _: C / (x * x + 1),
    "rounded": lambda x, _: torch.div(x, 0.5, rounding_mode="floor") + x,
    "plus a number": lambda x, _: x + 1,
    "number plus it": lambda x, _: 1 + x,
    "plus a tensor": lambda x, _: x.add(ROW) + torch.add(C, x),
    "plus a multiple": lambda x, _: torch.add(C, x, alpha=3) + x.add(C, alpha=3),
    "plus a larger tensor": lambda _, gamma: gamma + C,
    "changed in place after": lambda x, _: (x + 1).mul_(C).relu_() + x,
    "product changed in place after": lambda x, _: (x * 2).add_(C).relu_() * x,
    "whole numbers": lambda x, _: x * torch.arange(4),
    "constants alone": lambda x, _: (C * 2 + C) / 3 + x,
    "layer norm": lambda x, gamma: F.layer_norm(x, (4,), gamma, ROW),
    "layer norm, dual bias": lambda x, gamma: F.layer_norm(x, [4], weight=ROW, bias=gamma),
    "layer norm, both": lambda x, gamma: F.layer_norm(x, (4,), gamma, 2 * gamma, eps=0.1),
    "layer norm, neither": lambda x, _: F.layer_norm(x, (4,)),
    "layer norm of two axes": lambda x, _: F.layer_norm(x.view(1, 3, 2, 2), (2, 2)).flatten(1),
    "layer norm of a constant": lambda x, gamma: F.layer_norm(C, (4,), gamma) + x,
    "linear": lambda x, gamma: F.linear(x, gamma * C[:, :4], gamma[:3]),
    "linear, constant weight": lambda x, _: F.linear(x, C, bias=drawn(8, 3)),
    "linear, constant input": lambda x, gamma: F.linear(C, gamma[None] * x) + x[:, :3],
    "linear, dual bias alone": lambda x, gamma: F.linear(C, C, gamma[:3]) + x[:, :3],
    "linear, no bias": lambda x, gamma: F.linear(x, gamma * C),
    "linear of more axes": lambda x, gamma: F.linear(x.view(3, 2, 2), gamma.view(2, 2)).flatten(1),
    "linear of one axis": lambda x, gamma: F.linear(gamma, C) * x[:, :3],
    "linear with one output": lambda x, gamma: F.linear(x, gamma)[:, None] * x,
    "plus a complex number": lambda x, _: torch.view_as_real(x + 1j).sum(-1),
    "linear in place after": lambda x, gamma: F.linear(x, gamma[None]).relu_() + x,
    "convolution": lambda x, gamma: convolved(x, gamma, gamma[:2]),
    "convolution, no bias": convolved,
    "convolution, constant bias": lambda x, gamma: convolved(x, gamma, ROW[:2]),
    "convolution, constant weight": lambda x, gamma: convolved(x, ROW, gamma[:2]),
    "convolution, constants but the input": lambda x, _: convolved(x, ROW, ROW[:2]),
    "convolution, constant input": lambda x, gamma: convolved(C, gamma) * x.sum(),
    "convolution with options": lambda x, gamma: convolved(
        x, gamma, stride=2, padding=(1, 2), dilation=[1, 2]
    ),
    "convolution padded by name": lambda x, gamma: convolved(x, gamma, padding="same", dilation=2),
    "convolution in groups": lambda x, gamma: F.conv2d(
        x.view(3, 2, 1, 2), gamma.view(2, 1, 1, 2), groups=2
    ).flatten(1),
    "convolution without a batch": lambda x, gamma: F.conv2d(
        x.view(1, 3, 4), gamma.view(2, 1, 1, 2)
    ).flatten(1),
    "convolution of one axis": lambda x, gamma: F.conv1d(
        x.view(3, 2, 2), gamma.view(1, 2, 2), padding=1
    ).flatten(1),
    "convolution of three axes": lambda x, gamma: F.conv3d(
        x.view(3, 1, 1, 2, 2), gamma.view(2, 1, 1, 1, 2)
    ).flatten(1),
    "convolution in place after": lambda x, gamma: convolved(x, gamma).relu_() + x.sum(),
    "group norm": lambda x, gamma: F.group_norm(x.view(3, 4, 1), 2, gamma, 2 * gamma)[..., 0],
    "group norm of images": lambda x, gamma: F.group_norm(
        x.view(1, 3, 2, 2), 1, gamma[:3], eps=0.1
    ).flatten(1),
    "group norm, channels last": lambda x, gamma: F.group_norm(
        x.view(1, 2, 3, 2).permute(0, 3, 1, 2), 2, ROW[:2], gamma[:2]
    ).flatten(1),
    "group norm of no images": lambda x, gamma: (
        F.group_norm(x.view(3, 4, 1)[:0], 2, gamma).sum() + x * gamma
    ),
    "group norm, no parameters": lambda x, _: F.group_norm(x.view(1, 4, 3), 2).flatten(1),
    "group norm, dual bias alone": lambda x, gamma: F.group_norm(
        x.view(3, 2, 2), 1, None, gamma[:2]
    ).flatten(1),
    "layer norm, bias alone": lambda x, gamma: F.layer_norm(x, (4,), None, gamma),
    "layer norm in place after": lambda x, gamma: F.layer_norm(x, (4,), gamma).relu_() + x,
    "gelu": lambda x, _: F.gelu(x) * nn.GELU("tanh")(x) + F.gelu(C),
    "attention": attended,
    "attention, scaled": lambda x, gamma: attended(x, gamma, scale=0.3),
    "attention, constant mask": lambda x, gamma: attended(x, gamma, attn_mask=C[:, :3]),
    "attention, dual mask": lambda x, gamma: attended(x, gamma, attn_mask=x[:, :3] * gamma[:3]),
    "attention, bool mask": lambda x, gamma: attended(x, gamma, attn_mask=C[:, :3] > -1),
    "attention, causal": lambda x, gamma: attended(x, gamma, is_causal=True),
    "attention, constant keys": lambda x, _: F.scaled_dot_product_attention(
        x.view(1, 1, 3, 4), C.view(1, 1, 3, 4), x.view(1, 1, 3, 4)
    ),
    "layer norm, no bias": lambda x, gamma: nn.LayerNorm(4, bias=False).double()(x) * gamma,
}


class Plain(TorchFunctionMode):
    """Torch's own way, through a mode too."""

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        return func(*args, **(kwargs or {}))


def derivatives(
    function: Callable[[Tensor, Tensor], Tensor], mode: TorchFunctionMode
) -> tuple[Tensor, ...]:
    """Value, tangent, and the gradient of a function of the tangent by those of x and gamma."""
    x, gamma = drawn(3, 3, 4), drawn(4, 4)
    tangents = drawn(5, 3, 4).requires_grad_(), drawn(6, 4).requires_grad_()
    with sdpa_kernel(SDPBackend.MATH), forward_ad.dual_level(), mode:
        dual = function(make_dual(x, tangents[0]), make_dual(gamma, tangents[1]))
        value, tangent = unpack_dual(dual)
    assert tangent is not None
    weights = drawn(7, *tangent.shape)
    gradients = torch.autograd.grad((weights * tangent).sum(), tangents, materialize_grads=True)
    return value, tangent.detach(), *gradients


def test_a_frozen_weight_with_a_trained_bias_in_float32() -> None:
    """Torch gives the weight's gradient there unasked."""
    x, W, b = (
        drawn(i, *shape).float() for i, shape in enumerate([(2, 3, 4, 4), (5, 3, 3, 3), (5,)])
    )
    x_tangent, b_tangent = torch.ones_like(x).requires_grad_(), torch.ones_like(b).requires_grad_()
    with forward_ad.dual_level(), ShortTangents():
        dual = F.conv2d(make_dual(x, x_tangent), W, make_dual(b, b_tangent))
        _, tangent = unpack_dual(dual)
    assert tangent is not None
    tangent.sum().backward()
    assert torch.equal(b_tangent.grad, torch.full((5,), 8.0))


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_as_torch_has_it(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    found, expected = (derivatives(function, mode()) for mode in (ShortTangents, Plain))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


ROWS = torch.tensor([[True], [False], [True]]).expand(3, 3)


@pytest.mark.parametrize("mask", [ROWS, torch.where(ROWS, 0.0, -torch.inf).double()], ids=str)
def test_attention_that_masks_all_keys_of_a_query_is_zero_there(mask: Tensor) -> None:
    """As torch has it; its gradient, which is NaN there, is 0 here."""

    def function(x: Tensor, gamma: Tensor) -> Tensor:
        return attended(x, gamma, attn_mask=mask)

    found, expected = (derivatives(function, mode()) for mode in (ShortTangents, Plain))
    torch.testing.assert_close(found[:2], expected[:2], rtol=1e-12, atol=1e-12)
    assert not found[0][:, :, 1].any()
    assert all(torch.isfinite(gradient).all() for gradient in found[2:])


def test_a_tensor_without_a_tangent_stays_without() -> None:
    with forward_ad.dual_level(), ShortTangents():
        assert unpack_dual(C * 2 + ROW)[1] is None
        assert unpack_dual(F.layer_norm(C, (4,)))[1] is None
