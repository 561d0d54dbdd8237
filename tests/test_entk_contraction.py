"""conebench.entk.contraction: both orders against the gradients written out."""

import pytest
import torch
from torch import Tensor

from conebench.entk.contraction import (
    add_pairwise,
    add_products,
    contraction_work,
    explicit_gradients,
)
from conebench.entk.layer_rules import NormalForm
from conebench.entk.layers import Covered, Layer


def _form(n: int, r: int, g: int, s: int, p: int, q: int, seed: int = 0) -> NormalForm:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return NormalForm(draw(n, g, s, p), draw(n, r, g, s, q))


def _jacobian(form: NormalForm) -> Tensor:
    return torch.einsum("ncgsq,ngsp->ncgqp", form.gradients, form.inputs).flatten(2)


def _expected(left: Tensor, right: Tensor, outputs: str) -> Tensor:
    if outputs == "full":
        return left.flatten(0, 1) @ right.flatten(0, 1).T
    return torch.einsum("icp,jcp->ij", left, right)


SHAPES = [(5, 3, 1, 1, 4, 2), (5, 3, 1, 4, 3, 2), (3, 1, 1, 6, 2, 5), (5, 3, 4, 3, 2, 1)]


@pytest.mark.parametrize("outputs", ["full", "trace"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", ["explicit", "pairwise"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_both_orders(shape, outputs, order, symmetric: bool) -> None:
    if order == "pairwise" and shape[2] > 1:
        return
    form, other = _form(*shape), _form(*shape, seed=1)
    left, right = _jacobian(form), _jacobian(form if symmetric else other)
    expected = _expected(left, right, outputs)
    kernel = torch.zeros_like(expected)
    if order == "pairwise":
        add_pairwise(kernel, form, None if symmetric else other, outputs)
    else:
        q = shape[-1]
        pieces = [(0, 1), (1, q)] if q > 1 else [(0, q)]
        for start, stop in pieces:
            J = explicit_gradients(form, start, stop)
            K = None if symmetric else explicit_gradients(other, start, stop)
            add_products(kernel, J, K, outputs)
    if symmetric:
        kernel, expected = kernel.tril(), expected.tril()
    torch.testing.assert_close(kernel, expected)


def test_the_work_of_an_order_counts_its_multiply_adds() -> None:
    covered = Covered(Layer("x", ("weight",)), groups=1, positions=4, inputs=3, outputs=2)
    work = contraction_work(covered, n=10, r=5, outputs="full")
    assert work["explicit"] == 10 * 5 * 4 * 6 + 50 * 25 * 6
    assert work["pairwise"] == 50 * 4 * (4 * 3 + 4 * 5 * 2 + 5 * 5 * 2)
    grouped = covered._replace(groups=2)
    assert contraction_work(grouped, 10, 5, "full")["pairwise"] == float("inf")
