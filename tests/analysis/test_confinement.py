"""Alpha and VR of motions whose answer is known, against loops over pairs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conebench.analysis.confinement import confinement_exponent, walk_ratio

LENGTHS = [9, 10, 13, 17, 24, 36, 71]


def circle(degrees: np.ndarray) -> np.ndarray:
    angles = np.radians(degrees)
    return np.cos(angles[:, None] - angles)


def expected_walk(cosines: np.ndarray) -> np.ndarray:
    """Return the expected G of a walk without memory that makes these steps."""
    return np.array(
        [
            [np.prod(cosines[min(i, j) : max(i, j)]) for j in range(len(cosines) + 1)]
            for i in range(len(cosines) + 1)
        ]
    )


def alpha_by_loops(G: np.ndarray) -> float:
    """Return alpha by its definition, pair by pair."""

    def at(lag: int) -> float:
        numerator = denominator = 0.0
        for k in (2, 3, 4):
            logs = []
            for i in range(len(G) - k * lag):
                walked = sum(-math.log(G[i + j * lag, i + (j + 1) * lag]) for j in range(k))
                logs.append(math.log(-math.log(G[i, i + k * lag]) / walked))
            numerator += np.median(logs) * math.log(k)
            denominator += math.log(k) ** 2
        return 1 + numerator / denominator

    whole, rest = divmod(len(G) - 1, 8)
    return at(whole) if rest == 0 else (1 - rest / 8) * at(whole) + rest / 8 * at(whole + 1)


def wandering(seed: int, t: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    h = np.array([5.0, 0, 0, 0, 0, 0]) + np.cumsum(0.2 * rng.normal(size=(t, 6)), axis=0)
    h += 0.3 * rng.normal(size=(t, 6))
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    return h @ h.T


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("t", LENGTHS)
def test_alpha_by_its_definition(t: int, seed: int) -> None:
    G = wandering(seed, t)
    assert confinement_exponent(G) == pytest.approx(alpha_by_loops(G), rel=1e-9)


@pytest.mark.parametrize("t", LENGTHS)
@pytest.mark.parametrize("step_deg", [0.01, 0.1, 0.5])
def test_a_straight_line_has_2(step_deg: float, t: int) -> None:
    assert confinement_exponent(circle(step_deg * np.arange(t))) == pytest.approx(2, abs=0.02)


@pytest.mark.parametrize("t", LENGTHS)
@pytest.mark.parametrize("cosine", [0.2, 0.9, 0.999, 1 - 1e-6])
def test_kernels_at_one_distance_from_each_other_have_0(cosine: float, t: int) -> None:
    G = np.full((t, t), cosine)
    np.fill_diagonal(G, 1.0)
    assert confinement_exponent(G) == pytest.approx(0, abs=1e-9)


STEPS = arrays(np.float64, st.integers(8, 60), elements=st.floats(0.01, 0.9999))


@given(STEPS)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_walk_without_memory_has_1_whatever_its_steps(cosines: np.ndarray) -> None:
    # Cosines below 1e-10 are cut off, so a long walk may not turn by more than that.
    G = expected_walk(np.maximum(cosines, 0.6 ** (8 / len(cosines))))
    assert confinement_exponent(G) == pytest.approx(1, abs=1e-9)
    assert walk_ratio(G) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("t", "known"), [(1, False), (8, False), (9, True)])
def test_alpha_needs_8_intervals(t: int, *, known: bool) -> None:
    assert (confinement_exponent(circle(np.arange(float(t)))) is not None) == known


def test_a_kernel_at_rest_counts_as_a_walk() -> None:
    assert confinement_exponent(np.ones((20, 20))) == 1
    assert walk_ratio(np.ones((20, 20))) is None


def test_orthogonal_kernels_have_finite_figures() -> None:
    assert confinement_exponent(np.eye(20)) == pytest.approx(0, abs=1e-9)
    ratio = walk_ratio(np.eye(20))
    assert ratio is not None
    assert ratio == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_VR_by_its_definition(seed: int) -> None:
    G = wandering(seed, 30)
    walk = expected_walk(np.diagonal(G, offset=1))
    assert walk_ratio(G) == pytest.approx((1 - G.mean()) / (1 - walk.mean()), rel=1e-12)


def test_VR_tells_staying_from_drifting() -> None:
    stays = np.full((40, 40), 0.99)
    np.fill_diagonal(stays, 1.0)
    assert walk_ratio(stays) < 0.1
    assert walk_ratio(circle(0.1 * np.arange(40.0))) > 10


VECTORS = arrays(np.float64, (20, 4), elements=st.floats(-1, 1, width=32))


@given(VECTORS)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_time_may_run_backwards(vectors: np.ndarray) -> None:
    h = vectors + np.array([4.0, 0, 0, 0])
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    G = h @ h.T
    assert confinement_exponent(G[::-1, ::-1]) == pytest.approx(confinement_exponent(G), abs=1e-9)
    forwards, backwards = walk_ratio(G), walk_ratio(G[::-1, ::-1])
    assert (forwards is None) == (backwards is None)
    if forwards is not None:
        assert backwards == pytest.approx(forwards, rel=1e-6)
        assert forwards >= 0


@given(VECTORS)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_near_an_axis_no_motion_is_more_than_straight(vectors: np.ndarray) -> None:
    """Angles add up: (sum of k angles)^2 <= k times the sum of their squares."""
    h = 0.03 * vectors + np.array([1.0, 0, 0, 0])
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    alpha = confinement_exponent(h @ h.T)
    assert alpha is not None
    assert alpha <= 2.01


@given(st.floats(0.05, 1.0), st.integers(1, 4))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_thinner_grid_leaves_alpha_of_known_motions(pace: float, thinning: int) -> None:
    straight = circle(pace * np.arange(65.0))
    walk = expected_walk(np.full(64, np.cos(np.radians(pace))))
    for G in (straight, walk):
        thin = G[::thinning, ::thinning]
        assert confinement_exponent(thin) == pytest.approx(confinement_exponent(G), abs=0.05)
