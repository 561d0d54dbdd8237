"""Angles to the axis, and the picture of a trajectory."""

import numpy as np
import pytest

from conebench.analysis.cone import axis_picture, cone_picture, to_axis_deg


def normalised(h: np.ndarray) -> np.ndarray:
    return h / np.linalg.norm(h, axis=-1, keepdims=True)


def angle_deg(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Kahan's formula, which keeps its digits at all angles."""
    return np.degrees(
        2 * np.arctan2(np.linalg.norm(u - v, axis=-1), np.linalg.norm(u + v, axis=-1))
    )


def wandering(seed: int, t: int = 41, dimension: int = 30) -> np.ndarray:
    rng = np.random.default_rng(seed)
    start = 3 * rng.normal(size=dimension)
    return normalised(start + np.cumsum(rng.normal(size=(t, dimension)), axis=0))


def chords(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


@pytest.mark.parametrize("seed", range(5))
def test_angles_to_the_axis_of_explicit_vectors(seed: int) -> None:
    h = wandering(seed)
    members = np.arange(8, 35)
    axis = normalised(h[members].mean(axis=0))
    np.testing.assert_allclose(to_axis_deg(h @ h.T, members), angle_deg(h, axis), atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_directions_about_the_axis_are_those_of_explicit_vectors(seed: int) -> None:
    h = wandering(seed)
    members = np.arange(8, 35)
    points = axis_picture(h @ h.T, members)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
    axis = normalised(h[members].mean(axis=0))
    np.testing.assert_allclose(points[:, 0], h @ axis, atol=1e-9)
    # Directions about the axis: along the first kernel's, and along the largest of the rest.
    across = h - np.outer(h @ axis, axis)
    first = normalised(across[0])
    rest = across - np.outer(across @ first, first)
    second = np.linalg.svd(rest)[2][0]
    phi = np.arctan2(points[:, 2], points[:, 1])
    expected = np.arctan2(rest @ second, across @ first)
    turned = np.exp(1j * phi) - np.exp(1j * expected), np.exp(1j * phi) - np.exp(-1j * expected)
    assert min(np.abs(turned[0]).max(), np.abs(turned[1]).max()) < 1e-6


def test_a_kernel_on_its_axis_has_no_direction() -> None:
    np.testing.assert_allclose(axis_picture(np.ones((3, 3)), np.arange(3))[:, 0], 1)


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
