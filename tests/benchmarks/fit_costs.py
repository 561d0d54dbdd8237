"""Fit the cost model's weights on this machine: `python tests/benchmarks/fit_costs.py`.

Times the three orders of contraction for layers of many shapes and fits the four weights of
`conebench.entk.cost_model.Costs` by non-negative least squares of relative errors.
"""

import sys
from time import perf_counter

import numpy as np
import torch
from scipy.optimize import nnls

from conebench.entk.contraction import (
    Factors,
    add_explicit,
    add_inputs_first,
    add_positions_first,
)
from conebench.entk.cost_model import cheapest, multiply_adds
from conebench.entk.plan import SLAB_NUMBERS
from conebench.entk.routes import Term

N, R = 32, 10
# Positions, inputs, outputs: convolutions of ResNets and VGG, linear layers of ViTs and MLPs.
SHAPES = [
    (1024, 144, 16),
    (256, 288, 32),
    (64, 576, 64),
    (256, 576, 64),
    (64, 1152, 256),
    (16, 2304, 256),
    (16, 4608, 512),
    (4, 2304, 512),
    (4, 4608, 512),
    (65, 192, 192),
    (65, 192, 768),
    (65, 768, 192),
    (1, 512, 512),
    (1, 3072, 1024),
]


def main() -> None:
    rows, seconds, labels = [], [], []
    for s, p, q in SHAPES:
        term = Term("w", "m", "weight", p * q, 1, s, p, q)
        a = torch.randn(N, s, p)
        gradients = [torch.randn(N, q, s) for _ in range(R)]
        factors = Factors(lambda i, j, part, a=a: a[i:j, :, part], p, gradients, N)
        K = torch.zeros(R, N, R, N)
        scratch = torch.empty(SLAB_NUMBERS)
        orders = {
            "explicit": lambda f=factors, K=K, w=scratch: add_explicit(K, f, None, "full", w),
            "inputs": lambda f=factors, K=K: add_inputs_first(K, f, None, "full", SLAB_NUMBERS),
            "positions": lambda f=factors, K=K: add_positions_first(
                K, f, None, "full", SLAB_NUMBERS
            ),
        }
        for order, work in orders.items():
            pairs = N * N / 2
            if order == "positions" and pairs * s * s * R * R > 2e9:
                continue
            overhead = {
                "explicit": [N * R * term.entries, 0, 0],
                "inputs": [0, pairs * s * R * q, 0],
                "positions": [0, 0, pairs * s * s * R * R],
            }[order]
            rows.append([multiply_adds(term, order, N, R, "full"), *overhead])
            seconds.append(_best(work))
            labels.append(f"{order:9} s={s} p={p} q={q}")
    A, t = np.array(rows), np.array(seconds) * 1e9
    weights, _ = nnls(A / t[:, None], np.ones(len(t)))
    names = ("multiply_add", "formed", "carried", "product")
    for label, measured, modelled in zip(labels, t, A @ weights, strict=True):
        sys.stdout.write(f"{label:32} {measured / 1e6:8.1f} ms, model {modelled / 1e6:8.1f} ms\n")
    for s, p, q in SHAPES:
        term = Term("w", "m", "weight", p * q, 1, s, p, q)
        sys.stdout.write(f"s={s} p={p} q={q}: today's choice {cheapest(term, N, R, 'full')}\n")
    pairs_of = zip(names, weights, strict=True)
    sys.stdout.write(", ".join(f"{name}={weight:.4g}" for name, weight in pairs_of) + "\n")


def _best(work) -> float:
    times = []
    for _ in range(3):
        began = perf_counter()
        work()
        times.append(perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
