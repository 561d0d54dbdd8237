"""conebench.entk.contraction: three orders against the gradients written out."""

import pytest
import torch
from torch import Tensor

from conebench.entk import contraction
from conebench.entk.contraction import (
    Factors,
    add_explicit,
    add_gradients,
    add_inputs_first,
    add_positions_first,
)

# Samples of both sides, directions, positions, inputs, outputs.
SHAPES = [(5, 4, 3, 1, 4, 2), (5, 4, 3, 4, 6, 2), (7, 3, 1, 5, 2, 3), (3, 1, 2, 2, 2, 2)]


def _factors(n: int, r: int, s: int, p: int, q: int, seed: int) -> tuple[Factors, Tensor]:
    """Random factors of one layer, and J [r, n, e] written out."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    a, gradients = draw(n, s, p), [draw(n, q, s) for _ in range(r)]
    J = torch.stack([torch.einsum("nqs,nsp->nqp", b, a) for b in gradients]).flatten(2)
    return Factors(lambda start, stop, part: a[start:stop, :, part], p, gradients, n), J


def _expected(J: Tensor, other: Tensor, outputs: str) -> Tensor:
    if outputs == "trace":
        return torch.einsum("cne,cme->nm", J, other)
    return torch.einsum("cne,dme->cndm", J, other)


def _add(order: str, K: Tensor, left: Factors, right: Factors | None, outputs: str, room: int):
    if order == "explicit":
        scratch = torch.empty(room, dtype=torch.float64)
        add_explicit(K, left, right, outputs, scratch)
    else:
        add = {"inputs": add_inputs_first, "positions": add_positions_first}[order]
        add(K, left, right, outputs, room)


def _lower(K: Tensor, outputs: str) -> Tensor:
    return K.tril() if outputs == "trace" else K.flatten(0, 1).flatten(1).tril()


@pytest.mark.parametrize("in_small_parts", [False, True])
@pytest.mark.parametrize("outputs", ["full", "trace"])
@pytest.mark.parametrize("order", ["explicit", "inputs", "positions"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_order(shape, order, outputs, in_small_parts: bool, monkeypatch) -> None:
    n, m, r, s, p, q = shape
    if in_small_parts:
        monkeypatch.setattr(contraction, "CACHED_NUMBERS", 2)
        monkeypatch.setattr(contraction, "ROWS_AT_ONCE", 2)
    room = (n + m) * r * (min(p, q) if in_small_parts else p * q)
    left, J = _factors(n, r, s, p, q, seed=0)
    right, other = _factors(m, r, s, p, q, seed=1)
    K = torch.zeros_like(_expected(J, other, outputs))
    _add(order, K, left, right, outputs, room)
    torch.testing.assert_close(K, _expected(J, other, outputs))
    K = torch.zeros_like(_expected(J, J, outputs))
    _add(order, K, left, None, outputs, room)
    torch.testing.assert_close(_lower(K, outputs), _lower(_expected(J, J, outputs), outputs))


@pytest.mark.parametrize("outputs", ["full", "trace"])
def test_kernels_add_up(outputs: str) -> None:
    _, J = _factors(4, 3, 2, 3, 2, seed=0)
    K = torch.ones_like(_expected(J, J, outputs))
    add_gradients(K, J, J, outputs)
    torch.testing.assert_close(K, 1.0 + _expected(J, J, outputs))


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_small_layer_is_not_rounded_away_in_a_large_sum(symmetric: bool) -> None:
    """Each 4,096 entries give 2^-14, the spacing of float32 beside 256 is 2^-15."""
    J = torch.full((1, 16, 2**15), 2.0**-13)
    K = torch.full((1, 16, 1, 16), 256.0)
    add_gradients(K, J, None if symmetric else J, "full")
    assert torch.equal(_lower(K, "full"), torch.full((16, 16), 256.0 + 2.0**-11).tril())
