"""The cone of trajectories whose geometry is known, against the vectors themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from synthetic import turning_kernels

from conebench.analysis.cone import Cone, cone_picture, confinement_exponent, measure_cone

STEPS = np.arange(0, 1001, 25)
T_STAR = 200


def normalised(h: np.ndarray) -> np.ndarray:
    return h / np.linalg.norm(h, axis=-1, keepdims=True)


def angle_deg(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Kahan's formula, which keeps its digits at all angles."""
    return np.degrees(
        2 * np.arctan2(np.linalg.norm(u - v, axis=-1), np.linalg.norm(u + v, axis=-1))
    )


def cone_of(h: np.ndarray, steps: np.ndarray = STEPS, T_star: int = T_STAR) -> Cone:
    return measure_cone(h @ h.T, steps, 25, T_star, int(steps[-1]))


def wandering(seed: int, t: int = len(STEPS), dimension: int = 30) -> np.ndarray:
    rng = np.random.default_rng(seed)
    start = 3 * rng.normal(size=dimension)
    return normalised(start + np.cumsum(rng.normal(size=(t, dimension)), axis=0))


@pytest.mark.parametrize("seed", range(5))
def test_cone_of_explicit_vectors(seed: int) -> None:
    h = wandering(seed)
    inside = h[STEPS >= T_STAR]
    axis = normalised(inside.mean(axis=0))
    off_axis, turn = angle_deg(inside, axis), float(angle_deg(h[0], axis))
    lags = np.arange(len(inside) // 8, len(inside) // 2 + 1)
    spread = [((inside[lag:] - inside[:-lag]) ** 2).sum(axis=1).mean() / 2 for lag in lags]
    design = np.stack([np.log(lags), np.ones(len(lags))], axis=1)
    expected = Cone(
        half_angle_deg=off_axis.max(),
        half_angle_95_deg=np.percentile(off_axis, 95),
        turn_deg=turn,
        N=min(1, max(0, 1 - off_axis.max() / turn)),
        alpha=np.linalg.lstsq(design, np.log(spread), rcond=None)[0][0],
        path_deg=angle_deg(inside[1:], inside[:-1]).sum(),
        end_to_end_deg=float(angle_deg(inside[0], inside[-1])),
    )
    assert vars(cone_of(h)) == pytest.approx(vars(expected), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("turn_deg", [30, 60, 85])
@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
def test_jitter_about_an_axis(noise: float, turn_deg: float, seed: int) -> None:
    h = turning_kernels(STEPS, settle=200, turn_deg=turn_deg, noise=noise, seed=seed)
    cone = cone_of(h)
    # The mean of 33 jitters is not quite the axis: relative errors of order 1/33.
    assert cone.half_angle_deg == pytest.approx(np.degrees(np.arctan(noise)), rel=0.1)
    assert cone.turn_deg == pytest.approx(turn_deg, abs=1)
    assert abs(cone.N - (1 - np.degrees(np.arctan(noise)) / turn_deg)) < 0.03
    assert cone.alpha == pytest.approx(0, abs=0.05)
    assert cone.path_deg > 20 * cone.end_to_end_deg


@pytest.mark.parametrize("seed", range(5))
def test_random_walk_has_exponent_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    h = np.zeros((60, 4000))
    h[0, 0] = 1
    for i in range(1, 60):
        h[i] = normalised(h[i - 1] + 0.02 * rng.normal(size=4000) / np.sqrt(4000))
    assert confinement_exponent(h @ h.T) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("step_deg", [0.01, 0.1, 1])
def test_straight_line_has_exponent_two(step_deg: float) -> None:
    angles = np.radians(step_deg * np.arange(40))
    G = np.cos(angles[:, None] - angles)
    assert confinement_exponent(G) == pytest.approx(2, abs=0.01)
    cone = measure_cone(G, 25 * np.arange(40), 25, 0, 1000)
    assert cone.path_deg == pytest.approx(39 * step_deg, rel=1e-4)
    assert cone.end_to_end_deg == pytest.approx(39 * step_deg, rel=1e-4)
    assert cone.half_angle_deg == pytest.approx(39 * step_deg / 2, rel=1e-4)


def test_frozen() -> None:
    h = np.repeat(np.eye(2), [8, len(STEPS) - 8], axis=0)
    cone = cone_of(h)
    assert cone == Cone(0.0, 0.0, 90.0, 1.0, None, 0.0, 0.0)


def test_no_turn_is_no_cone() -> None:
    cone = cone_of(np.tile(np.eye(2)[0], (len(STEPS), 1)))
    assert (cone.turn_deg, cone.N, cone.alpha) == (0, 0, None)


def test_without_a_Phase_I_the_start_lies_in_the_cone() -> None:
    h = turning_kernels(STEPS, settle=1, turn_deg=20, noise=0.1, seed=0)
    cone = cone_of(h, T_star=0)
    assert cone.half_angle_deg == cone.turn_deg
    assert cone.N == 0


@pytest.mark.parametrize(("t", "known"), [(1, False), (3, False), (4, True), (5, True)])
def test_exponent_needs_four_checkpoints(t: int, *, known: bool) -> None:
    h = wandering(0, t=t)
    assert (confinement_exponent(h @ h.T) is not None) == known


def test_Phase_II_of_one_checkpoint() -> None:
    h = wandering(1)
    cone = cone_of(h, T_star=1000)
    assert cone.half_angle_deg == pytest.approx(0, abs=1e-5)
    assert cone.turn_deg == pytest.approx(float(angle_deg(h[0], h[-1])))
    assert (cone.alpha, cone.path_deg) == (None, 0)


def test_extra_checkpoints_are_left_out() -> None:
    dense = np.unique([5, 10, 205, 333, *STEPS])
    h = wandering(2, t=len(dense))
    # One product for both: BLAS gives a smaller one other last digits.
    G, on_grid = h @ h.T, np.isin(dense, STEPS)
    without = measure_cone(G[np.ix_(on_grid, on_grid)], STEPS, 25, T_STAR, 1000)
    assert measure_cone(G, dense, 25, T_STAR, 1000) == without


def test_the_cone_ends_with_its_stretch() -> None:
    h = wandering(3)
    part = STEPS <= 600
    short = measure_cone((h @ h.T)[np.ix_(part, part)], STEPS[part], 25, T_STAR, 600)
    assert measure_cone(h @ h.T, STEPS, 25, T_STAR, 600) == short
    assert measure_cone(h @ h.T, STEPS, 25, T_STAR, 1000) != short


VECTORS = arrays(np.float64, (len(STEPS), 5), elements=st.floats(-1, 1, width=32))


@given(VECTORS, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_cone_is_the_same_after_a_rotation(vectors: np.ndarray, seed: int) -> None:
    # Like unit kernels, no two are more than 90 degrees apart.
    h = normalised(np.abs(vectors) + np.array([0.5, 0.1, 0, 0, 0]))
    Q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))
    cone, rotated = cone_of(h), cone_of(h @ Q)
    assert 0 <= cone.N <= 1
    assert 0 <= cone.half_angle_95_deg <= cone.half_angle_deg <= 90
    # An arccosine of nearly 1 has half the digits.
    assert rotated.half_angle_deg == pytest.approx(cone.half_angle_deg, abs=1e-5)
    assert rotated.turn_deg == pytest.approx(cone.turn_deg, abs=1e-5)


@given(VECTORS)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_path_is_no_shorter_than_its_ends_are_apart(vectors: np.ndarray) -> None:
    cone = cone_of(normalised(np.abs(vectors) + 0.1))
    assert cone.path_deg >= cone.end_to_end_deg - 1e-4


def chords(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("t", [4, 5, 30])
def test_picture_of_points_on_a_sphere_is_exact(t: int, seed: int) -> None:
    h = wandering(seed, t=t, dimension=3)
    picture, stress = cone_picture(h @ h.T)
    np.testing.assert_allclose(chords(picture), chords(h), atol=1e-6)
    assert stress < 1e-6
    np.testing.assert_allclose(picture.mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_picture_is_that_of_the_principal_components(seed: int) -> None:
    h = wandering(seed)
    picture, stress = cone_picture(h @ h.T)
    U, s, _ = np.linalg.svd(h - h.mean(axis=0), full_matrices=False)
    expected = U[:, :3] * s[:3]
    expected *= np.sign(expected[np.abs(expected).argmax(axis=0), range(3)])
    np.testing.assert_allclose(picture, expected, atol=1e-9)
    misfit, total = chords(expected) - chords(h), chords(h)
    assert stress == pytest.approx(np.linalg.norm(misfit) / np.linalg.norm(total))
    assert 0.1 < stress < 1


@pytest.mark.parametrize("t", [1, 2, 3])
def test_picture_of_few_points(t: int) -> None:
    h = np.eye(3)[:t]
    picture, stress = cone_picture(h @ h.T)
    assert picture.shape == (t, 3)
    np.testing.assert_allclose(chords(picture), chords(h), atol=1e-7)
    assert stress == pytest.approx(0, abs=1e-7)


def test_picture_of_a_kernel_that_stands_still() -> None:
    picture, stress = cone_picture(np.ones((5, 5)))
    np.testing.assert_array_equal(picture, np.zeros((5, 3)))
    assert stress == 0
