"""Cost of the three orders of contraction.

Operations are counted and weighted by fitted times. n samples, r directions in logit space; s
positions, p inputs, q outputs of a layer.
"""

from dataclasses import dataclass
from typing import get_args

from conebench.entk.contraction import Order, Outputs
from conebench.entk.routes import Term


@dataclass(frozen=True)
class Costs:
    """Nanoseconds of one operation in float32."""

    # One multiply-add in a large matrix product.
    multiply_add: float
    # One entry of an explicit gradient, written and read.
    formed: float
    # One number carried to the other side's gradients.
    carried: float
    # One product of two inner products.
    product: float


# Fitted by `python tests/benchmarks/fit_costs.py` on two cores; only their ratios matter, and
# they are constants so that the same spec gives the same bits each time.
FITTED = Costs(multiply_add=0.010, formed=0.39, carried=0.56, product=3.5)


def multiply_adds(term: Term, order: Order, n: int, r: int, outputs: Outputs) -> float:
    """Count the multiply-adds of a symmetric kernel, each pair once.

    Example:
        >>> linear = Term("weight", "", "weight", entries=6, inputs=2, outputs=3)
        >>> multiply_adds(linear, "explicit", 10, 3, "trace")  # 10 * 3 * 6 + 50 * 3 * 6
        1080.0

    """
    pairs, across = n * n / 2, r if outputs == "full" else 1
    s, p, q = term.positions, term.inputs, term.outputs
    if order == "explicit":
        # J [r, n, q p], then J J^T.
        return n * r * s * term.entries + pairs * r * across * term.entries
    if order == "inputs":
        # Inner products [s, s] of a pair, those times b [r q, s], then with the other b.
        return pairs * s * (s * p + s * r * q + r * across * q)
    # Both inner products of each pair of positions, then their product.
    return pairs * s * s * (p + r * across * q + across * across)


def nanoseconds(
    term: Term, order: Order, n: int, r: int, outputs: Outputs, costs: Costs = FITTED
) -> float:
    """Estimate the nanoseconds of a symmetric kernel in float32."""
    pairs, across = n * n / 2, r if outputs == "full" else 1
    s, q = term.positions, term.outputs
    overhead = {
        "explicit": n * r * term.entries * costs.formed,
        "inputs": pairs * s * r * q * costs.carried,
        "positions": pairs * s * s * across * across * costs.product,
    }
    return multiply_adds(term, order, n, r, outputs) * costs.multiply_add + overhead[order]


def cheapest(term: Term, n: int, r: int, outputs: Outputs, costs: Costs = FITTED) -> Order:
    """Return the order with the least estimated time.

    Example:
        >>> convolution = Term("w", "conv1", "weight", 432, positions=1024, inputs=27, outputs=16)
        >>> wide = Term("w", "fc", "weight", 2**20, inputs=2**10, outputs=2**10)
        >>> cheapest(convolution, 100, 10, "full"), cheapest(wide, 100, 10, "full")
        ('explicit', 'positions')

    """
    # The other two orders are not written for groups.
    if term.groups > 1:
        return "explicit"
    orders: tuple[Order, ...] = get_args(Order)
    return min(orders, key=lambda order: nanoseconds(term, order, n, r, outputs, costs))
