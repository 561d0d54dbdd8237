"""conebench.entk.cost_model: operations counted, and the cheapest order where it is clear."""

import pytest

from conebench.entk.cost_model import cheapest, multiply_adds
from conebench.entk.routes import Term


def _term(groups: int = 1, positions: int = 4, inputs: int = 3, outputs: int = 2) -> Term:
    entries = groups * inputs * outputs
    return Term("w", "layer", "weight", entries, groups, positions, inputs, outputs)


@pytest.mark.parametrize(
    ("order", "outputs", "expected"),
    [
        ("explicit", "full", 10 * 5 * 4 * 6 + 50 * 25 * 6),
        ("explicit", "trace", 10 * 5 * 4 * 6 + 50 * 5 * 6),
        ("inputs", "full", 50 * 4 * (4 * 3 + 4 * 5 * 2 + 25 * 2)),
        ("positions", "full", 50 * 16 * (3 + 25 * 2 + 25)),
    ],
)
def test_multiply_adds(order, outputs, expected: float) -> None:
    assert multiply_adds(_term(), order, 10, 5, outputs) == expected


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        # Many positions and few weights; both in the middle; one position and many weights.
        (_term(positions=1024, inputs=144, outputs=16), "explicit"),
        (_term(positions=64, inputs=2304, outputs=256), "inputs"),
        (_term(positions=1, inputs=4608, outputs=512), "positions"),
        (_term(groups=2, positions=1, inputs=4608, outputs=512), "explicit"),
    ],
)
def test_the_cheapest_order(term: Term, expected: str) -> None:
    assert cheapest(term, n=64, r=10, outputs="full") == expected
