"""S, angle and velocity against explicit kernels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conebench.analysis.distance import (
    angles_deg,
    distances,
    effective_rank,
    lagged_distances,
    uniform_part,
    velocity,
    velocity_per_rate,
)


def kernels(count: int, size: int, seed: int) -> np.ndarray:
    """Positive semi-definite kernels J J^T of a slowly moving Jacobian, [t, size, size]."""
    rng = np.random.default_rng(seed)
    J = rng.normal(size=(size, 2 * size)) + np.cumsum(
        0.3 * rng.normal(size=(count, size, 2 * size)), 0
    )
    return J @ J.swapaxes(1, 2)


def gram(H: np.ndarray) -> np.ndarray:
    inner = np.einsum("iab,jab->ij", H, H)
    norms = np.sqrt(np.diagonal(inner))
    return inner / np.outer(norms, norms)


@pytest.mark.parametrize("seed", range(3))
def test_S_is_half_the_squared_chord_of_unit_kernels(seed: int) -> None:
    H = kernels(6, 5, seed)
    unit = H / np.linalg.norm(H, axis=(1, 2), keepdims=True)
    chords = np.linalg.norm(unit[:, None] - unit[None], axis=(2, 3))
    S = distances(gram(H))
    np.testing.assert_allclose(S, chords**2 / 2, atol=1e-14)
    # An angle is also twice the arcsine of half its chord.
    np.testing.assert_allclose(
        angles_deg(gram(H)), np.degrees(2 * np.arcsin(chords / 2)), atol=1e-5
    )


ENTRIES = st.floats(-10, 10, allow_subnormal=False)


@given(arrays(np.float64, (4, 3, 3), elements=ENTRIES), st.floats(1e-3, 1e3))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_S_of_semi_definite_kernels(factors: np.ndarray, scale: float) -> None:
    J = factors + 11 * np.eye(3)  # keeps every norm away from 0
    H = J @ J.swapaxes(1, 2)
    S = distances(gram(H))
    assert S.min() >= -1e-12
    assert S.max() <= 1 + 1e-12
    np.testing.assert_allclose(S, S.T, atol=1e-14)
    np.testing.assert_allclose(np.diagonal(S), 0, atol=1e-14)
    H[1] *= scale
    np.testing.assert_allclose(distances(gram(H)), S, atol=1e-12)


def test_orthogonal_kernels_are_90_degrees_apart() -> None:
    H = np.stack([np.diag([1.0, 0.0]), np.diag([0.0, 3.0]), np.eye(2)])
    np.testing.assert_allclose(distances(gram(H))[0], [0, 1, 1 - 2**-0.5], atol=1e-15)
    np.testing.assert_allclose(angles_deg(gram(H))[0], [0, 90, 45], atol=1e-6)


def test_angle_of_cosines_just_out_of_range() -> None:
    np.testing.assert_array_equal(angles_deg(np.array([1 + 1e-12, -1 - 1e-12])), [0, 180])


def test_velocity_and_lags() -> None:
    G = np.array([[1, 0.9, 0.6, 0.5], [0.9, 1, 0.8, 0.7], [0.6, 0.8, 1, 0.6], [0.5, 0.7, 0.6, 1]])
    steps = np.array([0, 5, 10, 30])
    np.testing.assert_allclose(velocity(G, steps), [0.1 / 5, 0.2 / 5, 0.4 / 20])
    np.testing.assert_allclose(lagged_distances(G, 1), [0.1, 0.2, 0.4])
    np.testing.assert_allclose(lagged_distances(G, 2), [0.4, 0.3])
    np.testing.assert_allclose(lagged_distances(G, 3), [0.5])
    np.testing.assert_allclose(lagged_distances(G, 0), np.zeros(4))


def test_velocity_per_rate_sums_the_rates_of_the_steps_between() -> None:
    G = np.array([[1, 0.9, 0.6], [0.9, 1, 0.8], [0.6, 0.8, 1]])
    rates = np.array([0.1] * 5 + [0.01] * 10)
    expected = [0.1 / 0.5, 0.2 / 0.05]
    np.testing.assert_allclose(velocity_per_rate(G, np.array([0, 5, 10]), rates), expected)


def test_uniform_part_leaves_the_extra_checkpoints_out() -> None:
    steps = np.array([0, 5, 20, 50, 75, 100, 150])
    np.testing.assert_array_equal(uniform_part(steps, 50), [0, 3, 5, 6])
    np.testing.assert_array_equal(uniform_part(steps, 25), [0, 3, 4, 5, 6])


@pytest.mark.parametrize(
    ("eigenvalues", "rank"),
    [([1, 1, 1, 1], 4), ([5, 0, 0], 1), ([2, 1], 9 / 5), ([3, 3, 0, 0], 2)],
)
def test_effective_rank(eigenvalues: list[float], rank: float) -> None:
    values = np.array(eigenvalues, dtype=np.float64)
    got = effective_rank(values.sum(keepdims=True), np.linalg.norm(values, keepdims=True))
    np.testing.assert_allclose(got, [rank])
