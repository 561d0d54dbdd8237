"""What the three orders of contraction cost: counted operations times fitted weights."""

from dataclasses import dataclass
from typing import get_args

from conebench.entk.contraction import Order, Outputs
from conebench.entk.routes import Term


@dataclass(frozen=True)
class Costs:
    """Nanoseconds of one operation, float32.

    `multiply_add` in a large matrix product, `formed` for each entry of an explicit gradient
    (write and read), `carried` for each number carried to the other side, `product` for each
    product of two inner products.
    """

    multiply_add: float
    formed: float
    carried: float
    product: float


# Fitted by `python tests/benchmarks/fit_costs.py` on two cores; only their ratios matter, and
# they are constants so that the same spec gives the same bits each time.
FITTED = Costs(multiply_add=0.010, formed=0.39, carried=0.56, product=3.5)


def multiply_adds(term: Term, order: Order, n: int, r: int, outputs: Outputs) -> float:
    """Multiply-adds of a symmetric kernel of n samples in r directions, halves counted once."""
    pairs, across = n * n / 2, r if outputs == "full" else 1
    s, p, q = term.positions, term.inputs, term.outputs
    if order == "explicit":
        return n * r * s * term.entries + pairs * r * across * term.entries
    if order == "inputs":
        return pairs * s * (s * p + s * r * q + r * across * q)
    return pairs * s * s * (p + r * across * q + across * across)


def nanoseconds(
    term: Term, order: Order, n: int, r: int, outputs: Outputs, costs: Costs = FITTED
) -> float:
    """Estimated time of one order."""
    pairs, across = n * n / 2, r if outputs == "full" else 1
    s, q = term.positions, term.outputs
    overhead = {
        "explicit": n * r * term.entries * costs.formed,
        "inputs": pairs * s * r * q * costs.carried,
        "positions": pairs * s * s * across * across * costs.product,
    }
    return multiply_adds(term, order, n, r, outputs) * costs.multiply_add + overhead[order]


def cheapest(term: Term, n: int, r: int, outputs: Outputs, costs: Costs = FITTED) -> Order:
    """The order with the least estimated time; grouped layers have one order."""
    if term.groups > 1:
        return "explicit"
    orders: tuple[Order, ...] = get_args(Order)
    return min(orders, key=lambda order: nanoseconds(term, order, n, r, outputs, costs))
