"""Kernels and linearizations of random networks: right, or a KernelError."""

import os

import pytest
import torch
from odd_networks import flat
from random_networks import random_inputs, random_network, random_rows
from torch import Tensor

from conebench.entk import KernelError, empirical_ntk
from conebench.linearize import LinearizedModel

# `make networks` takes 2,000.
COUNT = int(os.environ.get("CONEBENCH_NETWORKS", "120"))
IN_ONE_TEST = 10


def check(seed: int) -> bool:
    """Compare one network's kernel and linearization; returns False if they are refused."""
    x, network = random_inputs(seed), random_network(seed)
    if seed % 2:
        with torch.no_grad():
            network(x)
            network = network if "counts" not in network.parts else random_network(seed)
    try:
        kernel = empirical_ntk(network, x)
        linear = LinearizedModel(network, intercept=False)
        tangents = _moved(linear, x)
    except KernelError:
        return False
    J = random_rows(seed, x)
    expected = torch.einsum("icp,jdp->icjd", J, J)
    assert _apart(kernel, expected) < 1e-8, f"kernel of seed {seed}: {network.parts}"
    w = flat(list(linear.displacement))
    assert _apart(tangents, J @ w) < 1e-8, f"J w of seed {seed}: {network.parts}"
    found = torch.autograd.grad(
        tangents.sum(), list(linear.displacement), allow_unused=True, materialize_grads=True
    )
    assert _apart(flat(list(found)), J.sum((0, 1))) < 1e-8, f"seed {seed}: {network.parts}"
    return True


def has_no_kernel(seed: int) -> bool:
    """True for a network that is wrong by its parts, or that autograd itself cannot take."""
    try:
        is_finite = bool(random_rows(seed, random_inputs(seed)).isfinite().all())
    except RuntimeError:
        return True
    return random_network(seed).is_wrong or not is_finite


def _moved(linear: LinearizedModel, x: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    for w in linear.displacement:
        w.data = torch.randn(w.shape, generator=generator, dtype=w.dtype)
    return linear(x)


def _apart(found: Tensor, expected: Tensor) -> float:
    size = float(expected.norm())
    return float((found.detach() - expected).norm()) / (size or 1.0)


@pytest.mark.parametrize("first", range(0, COUNT, IN_ONE_TEST))
def test_a_random_network_is_right_or_refused(first: int) -> None:
    for seed in range(first, min(COUNT, first + IN_ONE_TEST)):
        assert check(seed) or has_no_kernel(seed), f"seed {seed} is refused"


def test_networks_are_of_both_kinds() -> None:
    wrong = [random_network(seed).is_wrong for seed in range(100)]
    assert 20 < sum(wrong) < 80
